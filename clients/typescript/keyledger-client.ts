// Asks a keyledger server whether a licence key is valid, and bridges the hours in which it cannot be reached.
//
// Copy this file into your program; it wants Node 18 and no package. Types can be stripped from it as they stand, so
// `node --experimental-strip-types`, tsc, esbuild and their like all take it.
//
//     const client = new KeyledgerClient("https://keys.example.com", TEAM_ID, SERVER_KEYS, {
//       teamPublicKey: TEAM_PUBLIC_KEY,
//       storePath: "/home/me/.config/editor/license.json",
//     });
//     const result = await client.verify("AAAAA-BBBBB-CCCCC-DDDDD-EEEEE", { productId: PRODUCT_ID });
//     if (!result.valid) console.log(result.code, result.details);

import { createPublicKey, randomBytes, verify as verifySignature, type KeyObject } from "node:crypto";
import { mkdir, open, rename, rm, stat, readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";

export const GRACE_SECONDS = 7 * 86400;
export const TIMEOUT_SECONDS = 10;
const CLOCK_SKEW_SECONDS_MAX = 300;
const ANSWER_BYTES_MAX = 1 << 20;
const STORE_BYTES_MAX = 4 << 20;
const RSA_BITS_MIN = 2048;

/** What is known of a licence key. */
export interface Result {
  valid: boolean;
  /** The server's word (`VALID`, `LICENSE_EXPIRED`, …), or `UNREACHABLE`: no answer that can be trusted. */
  code: string;
  /** A sentence for people. */
  details: string;
  /** Whether this rests on a stored answer, because the server gave none. */
  offline: boolean;
  /** What the team's settings let the server tell about the licence. */
  data: Record<string, any> | null;
  /** When the server said so, in Unix seconds; null for `UNREACHABLE`. */
  checkedAt: number | null;
}

export interface Settings {
  /** What `keyledger team create` prints: base64 of a PEM. With it, another team on the same server cannot vouch
   * for your licences. */
  teamPublicKey?: string;
  /** The file of the last valid answer. Without it there is no offline grace. */
  storePath?: string;
  graceSeconds?: number;
  /** The limit for a whole exchange with the server. */
  timeoutSeconds?: number;
  /** Gives Unix seconds; for tests. */
  clock?: () => number;
}

export interface Question {
  productId?: string;
  customerId?: string;
  hardwareIdentifier?: string;
  version?: string;
  branch?: string;
}

export interface Jwks {
  keys: Record<string, any>[];
}

type Fields = Record<string, string>;
type Parsed = { data: Record<string, any> | null; result: Record<string, any> };

/** There is no answer that can be trusted. The message says why, and holds neither key nor secret. */
class NoAnswer extends Error {}

/** Verifies licence keys of one team. */
export class KeyledgerClient {
  readonly #teamId: string;
  readonly #url: string;
  readonly #serverKeys: KeyObject[];
  readonly #teamKey: KeyObject | null;
  readonly #storePath: string | null;
  readonly #graceSeconds: number;
  readonly #timeoutSeconds: number;
  readonly #clock: () => number;

  /**
   * @param serverKeys the JWK set of /.well-known/keyledger-keys.json. Pin it in your program; fetched at run time,
   *   it would prove nothing.
   */
  constructor(baseUrl: string, teamId: string, serverKeys: Jwks, settings: Settings = {}) {
    const { graceSeconds = GRACE_SECONDS, timeoutSeconds = TIMEOUT_SECONDS } = settings;
    if (!/^https?:\/\//.test(baseUrl)) {
      throw new TypeError(`baseUrl is ${JSON.stringify(baseUrl)}; it begins with https:// or http://`);
    }
    if (!teamId) throw new TypeError("teamId is empty; `keyledger team list` shows it");
    if (!(graceSeconds >= 0) || !(timeoutSeconds > 0)) {
      throw new RangeError("graceSeconds is 0 or more, and timeoutSeconds more than 0");
    }
    this.#teamId = teamId;
    this.#url = `${baseUrl.replace(/\/+$/, "")}/api/v1/client/teams/${encodeURIComponent(teamId)}/verification/`;
    this.#serverKeys = readServerKeys(serverKeys);
    this.#teamKey = settings.teamPublicKey === undefined ? null : readTeamKey(settings.teamPublicKey);
    this.#storePath = settings.storePath === undefined ? null : resolve(settings.storePath);
    this.#graceSeconds = graceSeconds;
    this.#timeoutSeconds = timeoutSeconds;
    this.#clock = settings.clock ?? (() => Date.now() / 1000);
  }

  /** Whether the key is valid, for this product and device. Rejects only for arguments of the wrong type. */
  async verify(licenseKey: string, question: Question = {}): Promise<Result> {
    return this.#ask("verify", licenseKey, question);
  }

  /** As `verify`, and tells the server that this device is still in use. */
  async heartbeat(licenseKey: string, question: Question & { hardwareIdentifier: string }): Promise<Result> {
    if (!question?.hardwareIdentifier) throw new TypeError("heartbeat wants a hardwareIdentifier");
    return this.#ask("heartbeat", licenseKey, question);
  }

  async #ask(action: string, licenseKey: string, question: Question): Promise<Result> {
    const { productId, customerId, hardwareIdentifier, version, branch } = question;
    const given = Object.entries({ licenseKey, productId, customerId, hardwareIdentifier, version, branch });
    const asked = Object.fromEntries(given.filter(([, value]) => value !== undefined && value !== null)) as Fields;
    if (!("licenseKey" in asked) || Object.values(asked).some((value) => typeof value !== "string")) {
      throw new TypeError("licenseKey is a string, and so is every other field that is given");
    }
    const challenge = randomBytes(32).toString("hex");
    try {
      const { status, header, body } = await this.#post(action, { ...asked, challenge });
      // An overloaded or broken server says nothing about the licence.
      if (status === 429 || status >= 500) throw new NoAnswer(`the server answered ${status}`);
      const { t, signatures } = parseSignature(header);
      const { signature, parsed } = this.#open(challenge, t, signatures, body);
      const apart = Math.abs(Math.floor(this.#clock()) - t);
      if (apart > CLOCK_SKEW_SECONDS_MAX) {
        throw new NoAnswer(`the server's clock and this device's are ${apart} s apart; please set the clock`);
      }
      const { valid, code, details } = parsed.result;
      if (valid && status !== 200) throw new NoAnswer(`the server answered ${status} with a valid licence`);

      const remark = valid ? await this.#store(asked, challenge, t, body, signature) : "";
      if (!valid && (status === 403 || status === 404)) await this.#forget();
      return { valid, code, details: details + remark, offline: false, data: parsed.data, checkedAt: t };
    } catch (error) {
      return this.#offline(asked, reasonOf(error));
    }
  }

  // The server's answers.

  async #post(action: string, question: Fields): Promise<{ status: number; header: string | null; body: Buffer }> {
    try {
      const response = await fetch(this.#url + action, {
        method: "POST",
        // The signature is over the bytes as the server wrote them, so they should come as they are.
        headers: {
          "Content-Type": "application/json",
          "Accept-Encoding": "identity",
          "User-Agent": "keyledger-client-typescript",
        },
        body: JSON.stringify(question),
        // A licence key goes to the server that the program names, and nowhere else.
        redirect: "manual",
        signal: AbortSignal.timeout(this.#timeoutSeconds * 1000),
      });
      const chunks: Uint8Array[] = [];
      let bytes = 0;
      for await (const chunk of response.body ?? []) {
        bytes += chunk.length;
        if (bytes > ANSWER_BYTES_MAX) throw new NoAnswer(`the answer is longer than ${ANSWER_BYTES_MAX} bytes`);
        chunks.push(chunk);
      }
      const header = response.headers.get("Keyledger-Signature");
      return { status: response.status, header, body: Buffer.concat(chunks) };
    } catch (error) {
      if (error instanceof NoAnswer) throw error;
      const { name, cause, message } = error as Error & { cause?: { code?: string; message?: string } };
      if (name === "TimeoutError") throw new NoAnswer(`the server did not answer within ${this.#timeoutSeconds} s`);
      throw new NoAnswer(`the server cannot be reached: ${cause?.code ?? cause?.message ?? message}`);
    }
  }

  /** The signature that holds, and the parsed body. Nothing of an answer is looked at before this. */
  #open(challenge: string, t: number, signatures: Buffer[], body: Buffer): { signature: Buffer; parsed: Parsed } {
    const signed = Buffer.concat([Buffer.from(`${t}.${challenge}.`), body]);
    const signature = signatures.find((each) =>
      this.#serverKeys.some((key) => each.length === 64 && verifySignature(null, signed, key, each)),
    );
    if (signature === undefined) throw new NoAnswer("the answer's signature is wrong");
    const { data = null, result } = parseJson(body);
    if (
      !isObject(result) ||
      typeof result.valid !== "boolean" ||
      typeof result.code !== "string" ||
      typeof result.details !== "string" ||
      !(data === null || isObject(data))
    ) {
      throw new NoAnswer("the answer has another form than expected");
    }
    if (result.valid && this.#teamKey !== null) {
      const response = result.challengeResponse;
      if (typeof response !== "string" || !rsaVerifies(this.#teamKey, response, challenge)) {
        throw new NoAnswer("the answer does not prove that it comes from the team");
      }
    }
    return { signature, parsed: { data, result } };
  }

  // The stored answer.

  /** The verdict of the stored answer. It is trusted no further than its signature and its age allow. */
  async #offline(asked: Fields, reason: string): Promise<Result> {
    try {
      const { t, parsed } = await this.#stored(asked);
      const details = `${parsed.result.details}, as the server said before; now ${reason}`;
      return { valid: true, code: parsed.result.code, details, offline: true, data: parsed.data, checkedAt: t };
    } catch (error) {
      const details = `${reason}; ${reasonOf(error)}`;
      return { valid: false, code: "UNREACHABLE", details, offline: false, data: null, checkedAt: null };
    }
  }

  async #stored(asked: Fields): Promise<{ t: number; parsed: Parsed }> {
    const stored = await this.#read();
    const { t, challenge, body } = stored;
    const signature = decodeBase64(stored.signature);
    if (!Number.isSafeInteger(t) || typeof challenge !== "string" || typeof body !== "string" || signature === null) {
      throw new NoAnswer("the stored answer is damaged");
    }
    let parsed: Parsed;
    try {
      parsed = this.#open(challenge, t, [signature], Buffer.from(body)).parsed;
    } catch (error) {
      throw new NoAnswer(`the stored answer does not count: ${reasonOf(error)}`);
    }
    if (!parsed.result.valid) throw new NoAnswer("the stored answer is not a valid one");

    for (const [name, what] of [["licenseKey", "licence key"], ["hardwareIdentifier", "device"]] as const) {
      if (stored[name] !== asked[name]) throw new NoAnswer(`the stored answer is for another ${what}`);
    }
    // What was not asked then has not been answered; asking for less now is fine.
    for (const [name, what] of [["productId", "product"], ["customerId", "customer"]] as const) {
      if (name in asked && stored[name] !== asked[name]) {
        throw new NoAnswer(`the stored answer is for another ${what}`);
      }
    }
    if (stored.teamId !== this.#teamId) throw new NoAnswer("the stored answer is for another team");

    const now = Math.floor(this.#clock());
    if (now < t - CLOCK_SKEW_SECONDS_MAX) {
      throw new NoAnswer("this device's clock is set to before the stored answer; please set the clock");
    }
    if (Math.max(0, now - t) >= this.#graceSeconds) {
      throw new NoAnswer("the time that a licence may go unchecked is over");
    }
    const expires = parsed.data?.license?.expirationDate ?? null;
    if (expires !== null && unixSeconds(expires) <= now) throw new NoAnswer(`the licence expired on ${expires}`);
    return { t, parsed };
  }

  async #read(): Promise<Record<string, any>> {
    if (this.#storePath === null) {
      throw new NoAnswer("no answer is stored, because the program names no file for it");
    }
    let text: Buffer;
    try {
      if ((await stat(this.#storePath)).size > STORE_BYTES_MAX) throw new NoAnswer("the stored answer is damaged");
      text = await readFile(this.#storePath);
    } catch (error) {
      if (error instanceof NoAnswer) throw error;
      const { code } = error as NodeJS.ErrnoException;
      if (code === "ENOENT") throw new NoAnswer("there is no stored answer");
      throw new NoAnswer(`the stored answer cannot be read: ${code}`);
    }
    try {
      return parseJson(text);
    } catch {
      throw new NoAnswer("the stored answer is damaged");
    }
  }

  /** Keeps a valid answer. A full disk must not turn it into a refusal, so this returns a remark. */
  async #store(asked: Fields, challenge: string, t: number, body: Buffer, signature: Buffer): Promise<string> {
    if (this.#storePath === null) return "";
    const { licenseKey, hardwareIdentifier, productId, customerId } = asked;
    const question = { teamId: this.#teamId, licenseKey, hardwareIdentifier, productId, customerId };
    const answer = { challenge, t, body: body.toString(), signature: signature.toString("base64") };
    const temporary = `${this.#storePath}.${randomBytes(8).toString("hex")}`;
    try {
      await mkdir(dirname(this.#storePath), { recursive: true });
      const file = await open(temporary, "wx", 0o600);
      try {
        await file.writeFile(JSON.stringify({ ...answer, ...question }));
        await file.sync();
      } finally {
        await file.close();
      }
      // The rename is atomic: a reader sees the old answer or the new one.
      await rename(temporary, this.#storePath);
      return "";
    } catch (error) {
      await rm(temporary, { force: true }).catch(() => {});
      return ` (it could not be stored for offline use: ${(error as NodeJS.ErrnoException).code})`;
    }
  }

  async #forget(): Promise<void> {
    if (this.#storePath !== null) await rm(this.#storePath, { force: true }).catch(() => {});
  }
}

/** The message of a `NoAnswer`. Every other error is a fault of the program, and goes on. */
function reasonOf(error: unknown): string {
  if (error instanceof NoAnswer) return error.message;
  throw error;
}

// Formats.

/** Reads `t=<unix>,ed25519=<base64>`. Other names are passed over, and more than one signature may stand there, so
 * that a server can sign with its old and its new key. */
function parseSignature(header: string | null): { t: number; signatures: Buffer[] } {
  if (header === null) throw new NoAnswer("the answer is not signed");
  const times: string[] = [];
  const signatures: (Buffer | null)[] = [];
  for (const part of header.split(",")) {
    const [, name, value] = /^\s*([^=]*)=?(.*?)\s*$/.exec(part) ?? [];
    if (name === "t") times.push(value ?? "");
    if (name === "ed25519") signatures.push(decodeBase64(value));
  }
  const [time] = times;
  if (times.length !== 1 || !/^(0|[1-9][0-9]{0,14})$/.test(time ?? "") || signatures.includes(null)) {
    throw new NoAnswer("the answer's signature has another form than expected");
  }
  return { t: Number(time), signatures: signatures as Buffer[] };
}

function parseJson(text: Buffer): Record<string, any> {
  let parsed: unknown;
  try {
    // Neither mends broken UTF-8 nor drops a byte order mark: what is read is what was signed.
    parsed = JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(text));
  } catch {
    throw new NoAnswer("the answer is not JSON");
  }
  if (!isObject(parsed)) throw new NoAnswer("the answer has another form than expected");
  return parsed;
}

function isObject(value: unknown): value is Record<string, any> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Null for what is not base64; Node's own reader passes over such characters. */
function decodeBase64(text: unknown): Buffer | null {
  const form = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
  return typeof text === "string" && form.test(text) ? Buffer.from(text, "base64") : null;
}

/** Reads an RFC 3339 time. One that cannot be read counts as past, so that grace never outlives a licence. */
function unixSeconds(text: unknown): number {
  const form = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d+)?(Z|[+-]\d\d:\d\d)$/;
  const [, local, offset] = (typeof text === "string" && form.exec(text)) || [];
  return local === undefined ? 0 : Date.parse(`${local}${offset}`) / 1000 || 0;
}

// Keys.

/** The Ed25519 keys of a JWK set (RFC 7517, RFC 8037). Keys of other kinds are passed over. */
function readServerKeys(jwks: Jwks): KeyObject[] {
  const keys = jwks.keys
    .filter((jwk) => jwk.kty === "OKP" && jwk.crv === "Ed25519")
    .map(({ kty, crv, x }) => createPublicKey({ key: { kty, crv, x }, format: "jwk" }));
  if (keys.length === 0) {
    throw new TypeError("serverKeys holds no Ed25519 key; take the set from /.well-known/keyledger-keys.json");
  }
  return keys;
}

/** Reads a PEM, or base64 of one. */
function readTeamKey(text: string): KeyObject {
  let key: KeyObject;
  try {
    key = createPublicKey(text.includes("-----BEGIN") ? text : Buffer.from(text, "base64").toString());
  } catch {
    throw new TypeError("teamPublicKey is not what `keyledger team create` prints: base64 of a PEM");
  }
  if (key.asymmetricKeyType !== "rsa" || (key.asymmetricKeyDetails?.modulusLength ?? 0) < RSA_BITS_MIN) {
    throw new TypeError(`teamPublicKey is not an RSA key of ${RSA_BITS_MIN} bits or more`);
  }
  return key;
}

/** RSASSA-PKCS1-v1_5 with SHA-256; the signature is lower-case hex. */
function rsaVerifies(key: KeyObject, signature: string, message: string): boolean {
  if (!/^(?:[0-9a-f]{2})+$/.test(signature)) return false;
  return verifySignature("sha256", Buffer.from(message), key, Buffer.from(signature, "hex"));
}
