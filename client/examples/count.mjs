// Prints the count of a trigger: node count.mjs TRIGGER. Needs npm's @msgpack/msgpack.

import { connect } from "node:net";
import { decodeMultiStream, encode } from "@msgpack/msgpack";

const MILLISECONDS = 6000; // for everything; the agent answers within 5 s

/** Calls one method and returns its result. Counts may exceed 2^53: large ones are BigInt. */
async function tally(path, method, params) {
  const connection = connect(path);
  const late = () => connection.destroy(new Error("the agent does not answer"));
  const timer = setTimeout(late, MILLISECONDS);
  try {
    connection.write(encode([0, 1, method, params]));
    for await (const [kind, id, error, result] of
      decodeMultiStream(connection, { useBigInt64: true })) {
      if (kind !== 1 || id !== 1) continue;
      if (error !== null) throw new Error(`${error.name}: ${error.message}`);
      return result;
    }
    throw new Error("the agent closed the connection");
  } finally {
    clearTimeout(timer);
    connection.destroy();
  }
}

try {
  const agent = process.env.TALLY_SOCKET ?? "/run/tally/tally.sock";
  const { count } = await tally(agent, "count", [{ trigger: process.argv[2] }]);
  console.log(String(count));
} catch (failure) {
  console.error(failure.message);
  process.exitCode = 1;
}
