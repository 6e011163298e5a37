// SPDX-License-Identifier: Apache-2.0
// Validates every document that kustomize builds from deploy/kubernetes, and those in its ConfigMaps,
// with the schemas of Kubernetes, KEDA and the Prometheus operator, and with their TypeScript types,
// which also find a misspelt field.
//
//   node check.mjs MODULES KUSTOMIZATION|FILE...     MODULES: the folder of the npm packages
//
// First it checks that it can fail.
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import { createRequire } from "node:module";
import os from "node:os";
import path from "node:path";

const modules = path.resolve(process.argv[2]);
const files = process.argv.slice(3);
const require = createRequire(path.join(modules, "package.json"));
const yaml = require("js-yaml");

// The module and the name of the class of a document.
function home(doc) {
  const [group, version] = doc.apiVersion.includes("/") ? doc.apiVersion.split("/") : ["", doc.apiVersion];
  const operators = { "keda.sh": "keda", "monitoring.coreos.com": "prometheus-operator" };
  if (operators[group]) return [`@kubernetes-models/${operators[group]}/${group}/${version}`, doc.kind];
  return ["kubernetes-models/" + (group ? group + "/" : "") + version, doc.kind];
}

// Debian's kubectl knows no components; a component builds nothing by itself.
function built(file) {
  if (path.basename(file) !== "kustomization.yaml") return fs.readFileSync(file, "utf8");
  if (yaml.load(fs.readFileSync(file, "utf8")).kind === "Component") return "";
  try {
    return execFileSync("kubectl", ["kustomize", path.dirname(file)], { encoding: "utf8", stdio: "pipe" });
  } catch (error) {
    if (!/unknown field "components"/.test(error.stderr)) throw error;
    console.log(`${file} is not checked: kubectl is older than 1.22`);
    return "";
  }
}

function documents(file) {
  const docs = yaml.loadAll(built(file)).filter(Boolean).map((doc) => [file, doc]);
  for (const [, doc] of [...docs])
    if (doc.kind === "ConfigMap")
      for (const [key, text] of Object.entries(doc.data ?? {}))
        if (/\.(yaml|yml|json)$/.test(key))
          docs.push(...yaml.loadAll(text).map((inner) => [`${file}, ${key}`, inner]));
  return docs;
}

function schemaFaults([name, doc]) {
  const [module, kind] = home(doc);
  try {
    new (require(module)[kind])(doc).validate();
    return [];
  } catch (error) {
    return [`${name}: ${kind}: ${error.message}`];
  }
}

// The schema accepts a misspelt field; the type of a literal does not.
function typeFaults(docs) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "tally-manifests-"));
  try {
    const lines = docs.map(([name, doc], number) => {
      const [module, kind] = home(doc);
      return `// ${name}: ${kind}\nimport { I${kind} as T${number} } from ${JSON.stringify(module)};\n` +
        `export const d${number}: T${number} = ${JSON.stringify(doc, null, 2)};\n`;
    });
    fs.writeFileSync(path.join(folder, "manifests.ts"), lines.join("\n"));
    fs.symlinkSync(path.join(modules, "node_modules"), path.join(folder, "node_modules"));
    execFileSync(process.execPath, [require.resolve("typescript/bin/tsc"), "--noEmit", "--strict",
      "--skipLibCheck", "--moduleResolution", "node", "--target", "es2020", "manifests.ts"],
      { cwd: folder, encoding: "utf8" });
    return [];
  } catch (error) {
    return [error.stdout ?? String(error)];
  } finally {
    fs.rmSync(folder, { recursive: true });
  }
}

function check(docs) {
  return [...docs.flatMap(schemaFaults), ...typeFaults(docs)];
}

const container = { name: "a", image: "b" };
const bad = {
  "a wrong type": { apiVersion: "v1", kind: "Pod", spec: { containers: [container], terminationGracePeriodSeconds: "30" } },
  "a missing field": { apiVersion: "v1", kind: "Pod", spec: { containers: [{ image: "b" }] } },
  "a misspelt field": { apiVersion: "v1", kind: "Pod", spec: { containers: [{ ...container, restartpolicy: "Always" }] } },
  "a field in the wrong place": { apiVersion: "batch/v1", kind: "Job", spec: { template: {}, restartPolicy: "Never" } },
  "a number in a trigger": { apiVersion: "keda.sh/v1alpha1", kind: "ScaledObject",
    spec: { scaleTargetRef: { name: "a" }, triggers: [{ type: "aws-dynamodb", metadata: { targetValue: 5 } }] } },
  "a misspelt field of KEDA's": { apiVersion: "keda.sh/v1alpha1", kind: "ScaledObject",
    spec: { scaleTargetRef: { name: "a" }, pollingIntervall: 30, triggers: [] } },
  "a misspelt field of Prometheus'": { apiVersion: "monitoring.coreos.com/v1", kind: "PodMonitor",
    spec: { selector: {}, podMetricsEndpoints: [{ port: "a", pathh: "/metrics" }] } },
};
let failed = 0;
for (const [what, doc] of Object.entries(bad))
  if (check([[what, doc]]).length === 0) {
    console.log(`self-test: ${what} is not found`);
    failed++;
  }
const docs = files.flatMap(documents);
const faults = check(docs);
faults.forEach((fault) => console.log(fault));
if (failed || faults.length) process.exit(1);
console.log(`${docs.length + Object.keys(bad).length} passed`);
