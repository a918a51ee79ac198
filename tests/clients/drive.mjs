// Asks one question with the TypeScript client and prints the result as one line of JSON.
//
// usage: node drive.mjs JSON      or the JSON on standard input
// The JSON is described in drive.py.
//
// Takes the types out with Node where it can (22.13 and later), otherwise with the npm package `typescript`, which it
// looks for beside this file and in NODE_PATH.

import { readFileSync } from "node:fs";
import * as nodeModule from "node:module";

const source = readFileSync(new URL("../../clients/typescript/keyledger-client.ts", import.meta.url), "utf8");

function withoutTypes() {
  if (nodeModule.stripTypeScriptTypes) return nodeModule.stripTypeScriptTypes(source);
  const typescript = nodeModule.createRequire(import.meta.url)("typescript");
  const { ESNext, ES2022 } = { ...typescript.ModuleKind, ...typescript.ScriptTarget };
  const options = { module: ESNext, target: ES2022, verbatimModuleSyntax: true };
  return typescript.transpileModule(source, { compilerOptions: options }).outputText;
}

const url = `data:text/javascript;base64,${Buffer.from(withoutTypes()).toString("base64")}`;
const { KeyledgerClient } = await import(url);

const given = JSON.parse(process.argv[2] ?? readFileSync(0, "utf8"));
const { base, teamId, serverKeys, action, licenseKey, clockOffsetSeconds = 0 } = given;
const { teamPublicKey, storePath, graceSeconds, timeoutSeconds } = given;
const { productId, customerId, hardwareIdentifier, version, branch } = given;
const clock = () => Date.now() / 1000 + clockOffsetSeconds;
const settings = { teamPublicKey, storePath, graceSeconds, timeoutSeconds, clock };
const client = new KeyledgerClient(base, teamId, serverKeys, settings);
if (action !== "verify" && action !== "heartbeat") throw new Error(`action is ${action}`);
const question = { productId, customerId, hardwareIdentifier, version, branch };
console.log(JSON.stringify(await client[action](licenseKey, question)));
