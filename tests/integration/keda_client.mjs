// SPDX-License-Identifier: Apache-2.0
// KEDA's calls of an external scaler, made by npm's gRPC for Node.
//
//   node keda_client.mjs MODULES PROTO ADDRESS [CA [CLIENT-CHAIN CLIENT-KEY]]
//
// Reads one question in JSON from each line, and answers each with lines of JSON:
//   {"poll": ref}    {"spec": [...], "metrics": [...], "active": true, "clients": 1}, or an error
//   {"stream": ref}  {"active": true} at each change, then an error
// "clients" counts how often the client was made. No call has a deadline, as in KEDA.
import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import readline from "node:readline";

const [modules, proto, address, ...files] = process.argv.slice(2);
const require = createRequire(path.join(modules, "package.json"));
const grpc = require("@grpc/grpc-js");
const loader = require("@grpc/proto-loader");

const { ExternalScaler } = grpc.loadPackageDefinition(
  loader.loadSync(proto, { keepCase: true, longs: Number, defaults: true })).externalscaler;
const [ca, chain, key] = files.map((name) => fs.readFileSync(name));
const credentials = ca ? grpc.credentials.createSsl(ca, key, chain) : grpc.credentials.createInsecure();
const options = ca ? { "grpc.ssl_target_name_override": "localhost" } : {};

let client, clients = 0;

function rebuild() {
  client?.close();
  client = new ExternalScaler(address, credentials, options);
  clients++;
}

function call(method, message) {
  return new Promise((resolve, reject) =>
    client[method](message, (error, answer) => (error ? reject(error) : resolve(answer))));
}

async function metrics(ref, specs) {
  const found = [];
  for (const { metricName } of specs)
    for (const value of (await call("GetMetrics", { scaledObjectRef: ref, metricName })).metricValues)
      found.push([value.metricName, value.metricValue, value.metricValueFloat]);
  return found;
}

// GetMetricSpec, GetMetrics, IsActive; after an error a new client and GetMetrics again.
async function poll(ref) {
  let specs = [{ metricName: "unknown" }];
  const activity = async () => [await metrics(ref, specs), (await call("IsActive", ref)).result];
  const both = async () => {
    specs = (await call("GetMetricSpec", ref)).metricSpecs;
    return activity();
  };
  const [found, active] = await both().catch(() => (rebuild(), activity()));
  const spec = specs.map((one) => [one.metricName, one.targetSize, one.targetSizeFloat]);
  return { spec, metrics: found, active, clients };
}

const print = (answer) => console.log(JSON.stringify(answer));
const fail = (error) => print({ code: error.code, message: error.details, clients });

rebuild();
for await (const line of readline.createInterface({ input: process.stdin })) {
  const question = JSON.parse(line);
  if (question.poll) await poll(question.poll).then(print, fail);
  else
    client.StreamIsActive(question.stream)
      .on("data", (answer) => print({ active: answer.result })).on("error", fail);
}
process.exit(0);
