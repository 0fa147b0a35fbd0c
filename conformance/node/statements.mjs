// Statements about a host, carried out one after the other. Prints a line each and ends with "N passed, N failed"; exit
// status 1 where one failed. Arguments are words of the titles of those that are wanted.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";

export const run = randomBytes(4).toString("hex");
const statements = [];
export const statement = (title, act) => statements.push([title, act]);

let names = 0;
export const named = (what) => `${what}-${run}-${++names}`;

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

export async function eventually(what, isSo, seconds = 30) {
  const end = Date.now() + seconds * 1000;
  while (!(await isSo())) {
    assert.ok(Date.now() < end, `not in ${seconds} s: ${what}`);
    await pause(50);
  }
}

/** What a promise is rejected with. */
export async function rejected(promise) {
  const kept = Symbol("kept");
  const error = await promise.then(() => kept, (error) => error);
  assert.notEqual(error, kept, "it was not rejected");
  return error;
}

export async function carryOut() {
  const only = process.argv.slice(2);
  let passed = 0;
  let failed = 0;
  for (const [title, act] of statements) {
    if (only.length > 0 && !only.some((word) => title.includes(word))) continue;
    try {
      await act();
      passed += 1;
      console.log(`ok      ${title}`);
    } catch (error) {
      failed += 1;
      const why = error?.stack ?? JSON.stringify(error);
      console.log(`FAILED  ${title}\n        ${String(why).replaceAll("\n", "\n        ")}`);
    }
  }
  console.log(`${passed} passed, ${failed} failed`);
  process.exit(failed > 0 ? 1 : 0);
}
