// Verifies a Trialbook bundle, archive or certified copy in the browser: a checker of its own, written from
// docs/format.md alone.
// It loads nothing, sends nothing and keeps nothing. It makes no report anew and does not judge conduct.
"use strict";

globalThis.trialbook = (() => {
  // ---- Bytes ----------------------------------------------------------------------------------------------------

  const encode = (text) => new TextEncoder().encode(text);

  /** The text of UTF-8 bytes, a byte order mark being a character like any other; null if they are not UTF-8. */
  function decode(bytes) {
    try {
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch {
      return null;
    }
  }

  const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  const unhex = (text) => Uint8Array.from(text.match(/../g) ?? [], (digits) => parseInt(digits, 16));

  function join(...parts) {
    const joined = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of parts) {
      joined.set(part, at);
      at += part.length;
    }
    return joined;
  }

  const equal = (a, b) => a.length === b.length && a.every((byte, at) => byte === b[at]);

  /** The bytes of padded base64 in its one writing; null if it is not that. */
  function unbase64(text) {
    if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text) || text.length % 4 !== 0) return null;
    const binary = atob(text);
    return btoa(binary) === text ? Uint8Array.from(binary, (character) => character.charCodeAt(0)) : null;
  }

  const base64 = (bytes) => btoa(String.fromCharCode(...bytes));
  const digest = async (name, bytes) => new Uint8Array(await crypto.subtle.digest(name, bytes));
  const sha256 = (bytes) => digest("SHA-256", bytes);

  const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
    let value = byte;
    for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
    return value;
  });

  function crc32(bytes) {
    let value = 0xffffffff;
    for (const byte of bytes) value = CRC_TABLE[(value ^ byte) & 255] ^ (value >>> 8);
    return (value ^ 0xffffffff) >>> 0;
  }

  // ---- Canonical JSON (section 1) -------------------------------------------------------------------------------

  const DEPTH_MAX = 16;
  const KEY = /[a-z][a-z0-9_]{0,63}/y;
  const INTEGER = /-?(?:0|[1-9][0-9]*)/y;
  const REFUSED = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/;

  class NotCanonical extends Error {}

  /** Reads one canonical object: `{ value, text, spans }`, a span being where a top-level value stands in the text. */
  function canonical(bytes) {
    const text = decode(bytes);
    const refuse = (why) => {
      throw new NotCanonical(`not canonical JSON: ${why}`);
    };
    if (text === null) refuse("not UTF-8");
    let at = 0;
    const spans = Object.create(null);
    const word = (pattern) => {
      pattern.lastIndex = at;
      const found = pattern.exec(text);
      if (!found) refuse(`character ${at}`);
      at += found[0].length;
      return found[0];
    };
    const expect = (character) => {
      if (text[at] !== character) refuse(`${character} is due at character ${at}`);
      at += 1;
    };
    const string = () => {
      expect('"');
      const start = at;
      let escaped = false;
      while (text[at] !== '"') {
        if (at >= text.length) refuse("a string does not end");
        if (text[at] === "\n") refuse("a bare line feed");
        if (text[at] === "\\") {
          escaped = true;
          at += 1;
          if (!'"\\n'.includes(text[at] ?? "?")) refuse("an escape that is not due");
        }
        at += 1;
      }
      let read = text.slice(start, at);
      at += 1;
      if (escaped) read = read.replace(/\\(.)/g, (_, character) => (character === "n" ? "\n" : character));
      if (REFUSED.test(read)) refuse("a control character");
      if (read.normalize("NFC") !== read) refuse("a string is not in Normalization Form C");
      return read;
    };
    const object = (depth) => {
      if (depth > DEPTH_MAX) refuse("too deep");
      expect("{");
      const read = Object.create(null);
      if (text[at] === "}") {
        at += 1;
        return read;
      }
      for (let last = ""; ; expect(",")) {
        expect('"');
        const key = word(KEY);
        expect('"');
        if (key <= last) refuse("keys are not in order");
        last = key;
        expect(":");
        const start = at;
        read[key] = value(depth);
        if (depth === 1) spans[key] = [start, at];
        if (text[at] === "}") break;
      }
      at += 1;
      return read;
    };
    const array = (depth) => {
      if (depth > DEPTH_MAX) refuse("too deep");
      expect("[");
      const read = [];
      if (text[at] === "]") {
        at += 1;
        return read;
      }
      for (; ; expect(",")) {
        read.push(value(depth));
        if (text[at] === "]") break;
      }
      at += 1;
      return read;
    };
    const value = (depth) => {
      if (text[at] === "{") return object(depth + 1);
      if (text[at] === "[") return array(depth + 1);
      if (text[at] === '"') return string();
      for (const [literal, meaning] of [["true", true], ["false", false]]) {
        if (text.startsWith(literal, at)) {
          at += literal.length;
          return meaning;
        }
      }
      const digits = word(INTEGER);
      if (digits === "-0" || digits.length > 17 || !Number.isSafeInteger(Number(digits))) refuse("an integer");
      return Number(digits);
    };
    const read = object(1);
    if (at !== text.length) refuse("something follows the object");
    return { value: read, text, spans };
  }

  // ---- Values (section 2) ---------------------------------------------------------------------------------------

  const matches = (pattern) => (value) => typeof value === "string" && pattern.test(value);
  const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
  const isText = (value) => typeof value === "string";
  const isTrial = matches(/^[a-z0-9][a-z0-9-]{0,62}$/);
  const isSite = matches(/^[A-Z0-9][A-Z0-9-]{0,31}$/);
  const isSubject = isSite;
  const isCut = matches(/^[a-z][a-z0-9-]{0,62}$/);
  const isFinding = matches(/^[a-z][a-z0-9-]{0,63}$/);
  const isPointer = matches(/^(\/[A-Za-z0-9_.~-]{1,64}){1,8}$/);
  const isActor = matches(/^[a-z0-9][a-z0-9.-]{0,63}$/);
  const isZone = matches(/^[A-Za-z][A-Za-z0-9/_+-]{0,63}$/);
  const isEventId = matches(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  const isHash = matches(/^[0-9a-f]{64}$/);
  const isBoolean = (value) => typeof value === "boolean";
  const isDecimal = (value) =>
    matches(/^-?(0|[1-9][0-9]{0,17})(\.[0-9]{1,9})?$/)(value) && !/^-0(\.0+)?$/.test(value);
  const isInteger = (least, most) => (value) => Number.isInteger(value) && value >= least && value <= most;
  const isCount = isInteger(0, Number.MAX_SAFE_INTEGER);
  const isBase64 = (length) => (value) => isText(value) && unbase64(value)?.length === length;

  function daysOf(year, month) {
    const leap = (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;
    return [31, leap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1];
  }

  /** The first and the last day that a date can mean; null if it is none. */
  function interval(text) {
    const found = isText(text) && /^(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?$/.exec(text);
    if (!found) return null;
    const [, year, month, day] = found;
    if (month === undefined) return { earliest: `${year}-01-01`, latest: `${year}-12-31` };
    if (+month < 1 || +month > 12) return null;
    const last = daysOf(+year, +month);
    if (day === undefined) return { earliest: `${text}-01`, latest: `${text}-${last}` };
    return +day >= 1 && +day <= last ? { earliest: text, latest: text } : null;
  }

  const isDate = (value) => interval(value) !== null;

  /** Seconds since 1970-01-01T00:00:00Z of a day and a time of day; the year may be below 100. */
  function epochSeconds(day, hour, minute, second) {
    const [year, month, date] = day.split("-").map(Number);
    const midnight = new Date(0);
    midnight.setUTCFullYear(year, month - 1, date);
    return midnight.getTime() / 1000 + hour * 3600 + minute * 60 + second;
  }

  /** Microseconds since 1970-01-01T00:00:00Z, a BigInt; null if it is no instant. */
  function instant(text) {
    const found = isText(text) && /^(\d{4}-\d{2}-\d{2})T(\d{2}):(\d{2}):(\d{2})\.(\d{6})Z$/.exec(text);
    if (!found || !isDate(found[1]) || +found[2] > 23 || +found[3] > 59 || +found[4] > 59) return null;
    return BigInt(epochSeconds(found[1], +found[2], +found[3], +found[4])) * 1000000n + BigInt(found[5]);
  }

  const isInstant = (value) => instant(value) !== null;

  /** Seconds since 1970-01-01T00:00:00Z that a clinical time names; null if it is none. */
  function clinicalTime(text) {
    const pattern = /^(\d{4}-\d{2}-\d{2})T(\d{2}):(\d{2})(?::(\d{2}))?([+-])(\d{2}):(\d{2})$/;
    const found = isText(text) && pattern.exec(text);
    if (!found || !isDate(found[1]) || +found[2] > 23 || +found[3] > 59 || +(found[4] ?? 0) > 59) return null;
    if (+found[6] > 14 || +found[7] > 59 || text.endsWith("-00:00")) return null;
    const offset = (found[5] === "-" ? -1 : 1) * (+found[6] * 3600 + +found[7] * 60);
    return epochSeconds(found[1], +found[2], +found[3], +(found[4] ?? 0)) - offset;
  }

  const isTime = (value) => clinicalTime(value) !== null;

  // ---- Ed25519 (section 3) --------------------------------------------------------------------------------------

  const P = 2n ** 255n - 19n;
  const ORDER = 2n ** 252n + 27742317777372353535851937790883648493n;
  const modulo = (value) => ((value % P) + P) % P;

  function power(base, exponent) {
    let result = 1n;
    for (let square = modulo(base); exponent > 0n; exponent >>= 1n, square = (square * square) % P) {
      if (exponent & 1n) result = (result * square) % P;
    }
    return result;
  }

  const D = modulo(-121665n * power(121666n, P - 2n));
  const ROOT_OF_MINUS_ONE = power(2n, (P - 1n) / 4n);
  // The y of the eight points of small order: of order 1, 2, 4 and 8.
  const Y_OF_ORDER_8 = 0x05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826n;
  const SMALL = new Set([1n, P - 1n, 0n, Y_OF_ORDER_8, P - Y_OF_ORDER_8]);

  const littleEndian = (bytes) => BigInt(`0x${hex(Uint8Array.from(bytes).reverse())}`);

  /** The y of an encoded point, if it is below the prime and of no point of small order; else null. */
  function ordinate(bytes) {
    const y = littleEndian(bytes) & (2n ** 255n - 1n);
    return y < P && !SMALL.has(y) ? y : null;
  }

  /** A point in extended coordinates from its canonical encoding; null if it is none, or of small order. */
  function point(bytes) {
    const y = ordinate(bytes);
    if (y === null) return null;
    const [u, v] = [modulo(y * y - 1n), modulo(D * y * y + 1n)];
    let x = modulo(u * power(v, 3n) * power(u * power(v, 7n), (P - 5n) / 8n));
    if (modulo(v * x * x) === modulo(-u)) x = modulo(x * ROOT_OF_MINUS_ONE);
    if (modulo(v * x * x) !== u) return null;
    if ((x & 1n) !== BigInt(bytes[31] >> 7)) x = P - x;
    return [x, y, 1n, modulo(x * y)];
  }

  function add([x1, y1, z1, t1], [x2, y2, z2, t2]) {
    const [a, b] = [((y1 - x1) * (y2 - x2)) % P, ((y1 + x1) * (y2 + x2)) % P];
    const [c, d] = [(2n * D * t1 * t2) % P, (2n * z1 * z2) % P];
    const [e, f, g, h] = [b - a, d - c, d + c, b + a];
    return [modulo(e * f), modulo(g * h), modulo(f * g), modulo(e * h)];
  }

  const BASE = point(unhex("58" + "66".repeat(31)));

  /** Whether S·B − k·A is R, by arithmetic of our own, without the cofactor. */
  async function equationHolds(publicKey, message, signature) {
    const [x, y, z, t] = point(publicKey);
    const negative = [modulo(-x), y, z, modulo(-t)];
    const both = add(BASE, negative);
    const s = littleEndian(signature.subarray(32));
    const k = littleEndian(await digest("SHA-512", join(signature.subarray(0, 32), publicKey, message))) % ORDER;
    let sum = [0n, 1n, 1n, 0n];
    for (let bit = 252n; bit >= 0n; bit -= 1n) {
      sum = add(sum, sum);
      const [ofS, ofK] = [(s >> bit) & 1n, (k >> bit) & 1n];
      if (ofS || ofK) sum = add(sum, ofS && ofK ? both : ofS ? BASE : negative);
    }
    const inverse = power(sum[2], P - 2n);
    const [affineX, affineY] = [modulo(sum[0] * inverse), modulo(sum[1] * inverse)];
    return littleEndian(signature.subarray(0, 32)) === (affineY | ((affineX & 1n) << 255n));
  }

  const importKey = (publicKey) => crypto.subtle.importKey("raw", publicKey, "Ed25519", false, ["verify"]);

  // One signature that holds, and one that holds only if the equation is multiplied by the cofactor: a browser must
  // tell them apart before its word is taken. The second's public key is a point of the curve plus one of order 8.
  const PROBES = [
    [
      "ff71d8ee61e1c234588c632b429edb00476895fdd296af6225cb8c0eb1f0a893",
      "b115a9ae05b53af309629289952ab2aa7eb39032a2be845a3f4643196560bad2" +
        "d835b748b26e456bf0fe51da638fe7e7821e1c0e3b294a24311945310df53503",
    ],
    [
      "5ee6dd7434c00c480c0d5022902e98b48a91ebfc7605b1dafc3cc12d6a8f60d8",
      "b115a9ae05b53af309629289952ab2aa7eb39032a2be845a3f4643196560bad2" +
        "cf773984bc440f124910c7127bc6759f5c0cc7907fa12c99d12308474c34940f",
    ],
  ];
  const PROBE_MESSAGE = encode("trialbook");
  let browserKnows = null;

  /** Whether the browser verifies Ed25519 as section 3 demands; else this file's own arithmetic does. */
  function browserVerifies() {
    browserKnows ??= (async () => {
      try {
        const answers = PROBES.map(async ([key, signature]) =>
          crypto.subtle.verify("Ed25519", await importKey(unhex(key)), unhex(signature), PROBE_MESSAGE),
        );
        const [held, multiplied] = await Promise.all(answers);
        return held && !multiplied;
      } catch {
        return false;
      }
    })();
    return browserKnows;
  }

  const importedKeys = new Map();

  /** Whether a signature holds strictly. `own` asks for this file's arithmetic whatever the browser can do. */
  async function signatureHolds(publicKey, message, signature, own = false) {
    if (publicKey.length !== 32 || signature.length !== 64) return false;
    if (littleEndian(signature.subarray(32)) >= ORDER || ordinate(signature.subarray(0, 32)) === null) return false;
    const name = hex(publicKey);
    if (!importedKeys.has(name)) importedKeys.set(name, point(publicKey) ? { browsers: null } : null);
    const known = importedKeys.get(name);
    if (known === null) return false;
    if (own || !(await browserVerifies())) return equationHolds(publicKey, message, signature);
    known.browsers ??= importKey(publicKey);
    return crypto.subtle.verify("Ed25519", await known.browsers, signature, message);
  }

  const isPublicKey = (value) => isBase64(32)(value) && point(unbase64(value)) !== null;
  const eventMessage = (event) => join(encode("trialbook event v1\n"), event);
  const possessionMessage = (genesis, holder, publicKey) =>
    encode(`trialbook key v1\n${genesis}\n${holder}\n${publicKey}`);

  // ---- Signed notes (section 18), verifier keys (3), receipts (19), policies (20) --------------------------------

  const [LOG, WITNESS] = [1, 4];
  const isName = (text) => /^[^+\p{White_Space}\p{Cc}]+$/u.test(text);

  /** A verifier key of a type: `{ name, id, publicKey, text }`; null if it is none. */
  async function verifierKey(text, type) {
    const found = /^([^+]*)\+([0-9a-f]{8})\+(.*)$/.exec(text);
    const bytes = found && unbase64(found[3]);
    if (!bytes || !isName(found[1]) || bytes.length !== 33 || bytes[0] !== type) return null;
    const id = hex((await sha256(join(encode(`${found[1]}\n`), bytes))).subarray(0, 4));
    const publicKey = bytes.slice(1);
    return id === found[2] && point(publicKey) ? { name: found[1], id, publicKey, text, type } : null;
  }

  const NOTE_BYTES_MAX = 1048576;

  /** A note's text and signature lines; null if the bytes are no note. */
  function note(bytes) {
    const whole = bytes.length <= NOTE_BYTES_MAX ? decode(bytes) : null;
    if (whole === null || /[\u0000-\u0009\u000b-\u001f]/.test(whole) || !whole.endsWith("\n")) return null;
    const parting = whole.lastIndexOf("\n\n");
    if (parting < 0) return null;
    const lines = whole.slice(parting + 2, -1).split("\n");
    if (lines.length > 100) return null;
    const signatures = lines.map((line) => {
      const found = /^\u2014 ([^ ]+) ([^ ]+)$/.exec(line);
      const data = found && unbase64(found[2]);
      return data && data.length > 4 && isName(found[1])
        ? { name: found[1], id: hex(data.subarray(0, 4)), data: data.subarray(4) }
        : null;
    });
    return signatures.includes(null) ? null : { text: whole.slice(0, parting + 1), signatures };
  }

  /** Whose lines hold, `{ key, time }` each in order, `time` being a witness's BigInt second; or whose does not. */
  async function signers({ text, signatures }, keys) {
    const held = [];
    for (const { name, id, data } of signatures) {
      for (const key of keys.filter((one) => one.name === name && one.id === id)) {
        const time = key.type === WITNESS && data.length === 72 ? BigInt(`0x${hex(data.subarray(0, 8))}`) : null;
        const message = key.type === WITNESS ? `cosignature/v1\ntime ${time}\n${text}` : text;
        const timely = key.type === LOG || (time !== null && time < 2n ** 63n);
        const signature = key.type === WITNESS ? data.subarray(8) : data;
        if (!timely || !(await signatureHolds(key.publicKey, encode(message), signature))) return { failed: key };
        held.push({ key, time });
      }
    }
    return { held };
  }

  const NUMBER = "(0|[1-9][0-9]{0,19})";
  const isUnsigned64 = (digits) => BigInt(digits) < 2n ** 64n;

  /** A checkpoint's `{ origin, size, root }`, the size a BigInt; null if the text is none. */
  function checkpointText(text) {
    const found = new RegExp(`^(.+)\n${NUMBER}\n(.+)\n$`, "u").exec(text);
    const root = found && unbase64(found[3]);
    if (!root || root.length !== 32 || !isName(found[1]) || !isUnsigned64(found[2])) return null;
    return { origin: found[1], size: BigInt(found[2]), root };
  }

  /** A receipt note's `{ origin, first, count, root }`; null if the text is none. */
  function receiptText(text) {
    const found = new RegExp(`^trialbook receipt v1\n(.+)\n${NUMBER}\n${NUMBER}\n(.+)\n$`, "u").exec(text);
    const root = found && unbase64(found[4]);
    if (!root || root.length !== 32 || !isName(found[1])) return null;
    const [first, count] = [BigInt(found[2]), BigInt(found[3])];
    if (count < 1n || first + count > 2n ** 53n) return null;
    return { origin: found[1], first: Number(first), count: Number(count), root };
  }

  /** Whom a policy trusts: `{ logs, witnesses, met(cosigners) }`, or why the text is none, thrown. */
  async function policy(text) {
    const refuse = (line, why) => {
      throw new Error(`the policy's line ${line}: ${why}`);
    };
    const control = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/;
    if (encode(text).length > NOTE_BYTES_MAX) refuse(1, "is too long");
    const [logs, witnesses] = [[], []];
    const [names, members] = [new Map(), new Set()];
    let quorum = null;
    let line = 0;
    for (const whole of text.split("\n")) {
      line += 1;
      if (control.test(whole)) refuse(line, "has a control character");
      const [keyword, ...words] = whole.split(/[ \t]+/).filter((word) => word !== "");
      if (keyword === undefined || keyword.startsWith("#")) continue;
      const define = (name, meaning) => {
        if (name === undefined || name === "none" || names.has(name)) refuse(line, "the name is taken");
        names.set(name, meaning);
      };
      const keyOf = async (word, type, others) => {
        const key = word === undefined ? null : await verifierKey(word, type);
        if (!key) refuse(line, "a verifier key is due");
        if (others.some((other) => equal(other.publicKey, key.publicKey))) refuse(line, "the key stands twice");
        return key;
      };
      if (keyword === "log" && words.length >= 1 && words.length <= 2) {
        logs.push(await keyOf(words[0], LOG, logs));
      } else if (keyword === "witness" && words.length >= 2 && words.length <= 3) {
        const key = await keyOf(words[1], WITNESS, witnesses);
        define(words[0], (cosigners) => cosigners.has(key.text));
        witnesses.push(key);
      } else if (keyword === "group" && words.length >= 3) {
        const [name, threshold, ...parts] = words;
        const due = threshold === "any" ? 1 : threshold === "all" ? parts.length : Number(threshold);
        if (!/^(any|all|[1-9][0-9]{0,8})$/.test(threshold) || due > parts.length) refuse(line, "the threshold");
        for (const part of parts) {
          if (!names.has(part) || members.has(part)) refuse(line, `${part} is not defined above, or a member already`);
          members.add(part);
        }
        const meanings = parts.map((part) => names.get(part));
        define(name, (cosigners) => meanings.filter((holds) => holds(cosigners)).length >= due);
      } else if (keyword === "quorum" && words.length === 1 && quorum === null) {
        if (words[0] !== "none" && !names.has(words[0])) refuse(line, "the name is not defined above");
        quorum = words[0] === "none" ? () => true : names.get(words[0]);
      } else {
        refuse(line, "is none of a policy");
      }
    }
    if (quorum === null) refuse(line, "no quorum is given");
    return { logs, witnesses, met: (keys) => quorum(new Set(keys.map((key) => key.text))) };
  }

  /** A record's proof, `{ position, path, note }`: a BigInt, hashes, the checkpoint's bytes; null if it is none. */
  function proof(bytes) {
    const text = decode(bytes);
    const parting = text?.indexOf("\n\n") ?? -1;
    if (parting < 0) return null;
    const [version, index, ...lines] = text.slice(0, parting).split("\n");
    const position = new RegExp(`^index ${NUMBER}$`).exec(index ?? "")?.[1];
    const path = lines.map(unbase64);
    const wellFormed = version === "c2sp.org/tlog-proof@v1" && position !== undefined && isUnsigned64(position);
    if (!wellFormed || path.length > 64 || !path.every((hash) => hash?.length === 32)) return null;
    return { position: BigInt(position), path, note: encode(text.slice(parting + 2)) };
  }

  // ---- The tree (section 17) ------------------------------------------------------------------------------------

  const leafHash = (record) => sha256(join(Uint8Array.of(0), record));
  const nodeHash = (left, right) => sha256(join(Uint8Array.of(1), left, right));
  const hashAt = (hashes, at) => hashes.subarray(32 * at, 32 * at + 32);

  /** The hash over 256 hashes that stand one after another. */
  async function fullTileHash(tile) {
    let level = Array.from({ length: 256 }, (_, at) => hashAt(tile, at));
    while (level.length > 1) {
      const pairs = Array.from({ length: level.length / 2 }, (_, at) => nodeHash(level[2 * at], level[2 * at + 1]));
      level = await Promise.all(pairs);
    }
    return level[0];
  }

  /** Puts a complete subtree of so many leaves, a power of two, behind those of a `stack`, each `[leaves, hash]`. */
  async function grow(stack, leaves, hash) {
    while (stack.length > 0 && stack.at(-1)[0] === leaves) {
      hash = await nodeHash(stack.pop()[1], hash);
      leaves *= 2;
    }
    stack.push([leaves, hash]);
  }

  /** The root over the subtrees of a `stack`. */
  async function rootOf(stack) {
    if (stack.length === 0) return sha256(new Uint8Array());
    let root = stack.at(-1)[1];
    for (const [, hash] of stack.slice(0, -1).reverse()) root = await nodeHash(hash, root);
    return root;
  }

  /** The root over complete subtrees from left to right, each `[leaves, hash]` with a power of two of leaves. */
  async function rootOver(subtrees) {
    const stack = [];
    for (const [leaves, hash] of subtrees) await grow(stack, leaves, hash);
    return rootOf(stack);
  }

  /** The root at `size`; `levels[L]` holds the hashes of level L one after another, at least as many as are due. */
  function rootAt(levels, size) {
    const subtrees = [];
    for (let level = levels.length - 1; level >= 0; level -= 1) {
      const due = Math.floor(size / 256 ** level);
      for (let at = due - (due % 256); at < due; at += 1) subtrees.push([256 ** level, hashAt(levels[level], at)]);
    }
    return rootOver(subtrees);
  }

  /** Whether a leaf stands at a position under a root (RFC 9162 section 2.1.3.2). */
  async function included(leaf, position, size, proof, root) {
    if (position >= size) return false;
    let [index, last, hash] = [position, size - 1, leaf];
    for (const sibling of proof) {
      if (last === 0) return false;
      if (index % 2 === 1 || index === last) {
        hash = await nodeHash(sibling, hash);
        while (index % 2 === 0 && index !== 0) [index, last] = [index / 2, Math.floor(last / 2)];
      } else {
        hash = await nodeHash(hash, sibling);
      }
      [index, last] = [Math.floor(index / 2), Math.floor(last / 2)];
    }
    return last === 0 && equal(hash, root);
  }

  /** A tile's `{ level, index, width }` by its path, the level `"entries"` for records; null for other paths. */
  function tilePath(path) {
    const found = /^tile\/(0|[1-9]\d?|entries)\/((?:x\d{3}\/)*\d{3})(?:\.p\/([1-9]\d{0,2}))?$/.exec(path);
    if (!found || (found[2].startsWith("x000/"))) return null;
    const digits = found[2].replaceAll(/[x/]/g, "");
    const level = found[1] === "entries" ? "entries" : Number(found[1]);
    const width = found[3] === undefined ? 256 : Number(found[3]);
    if (level > 63 || width > 256 || (found[3] !== undefined && width > 255)) return null;
    return BigInt(digits) < 2n ** 64n ? { level, index: BigInt(digits), width } : null;
  }

  function pathOfTile(level, index, width) {
    const digits = String(index);
    const groups = digits.padStart(3 * Math.ceil(digits.length / 3), "0").match(/\d{3}/g);
    const spelt = groups.map((group, at) => (at < groups.length - 1 ? `x${group}` : group)).join("/");
    return `tile/${level}/${spelt}${width === 256 ? "" : `.p/${width}`}`;
  }

  /** The records of an entry bundle that has to hold `count`, and whether that and nothing else is what it holds. */
  function entries(bytes, count) {
    const records = [];
    let at = 0;
    while (records.length < count && at + 2 <= bytes.length) {
      const length = bytes[at] * 256 + bytes[at + 1];
      if (at + 2 + length > bytes.length) break;
      records.push(bytes.subarray(at + 2, at + 2 + length));
      at += 2 + length;
    }
    return { records, whole: records.length === count && at === bytes.length };
  }

  // ---- Events: envelope and contents (sections 4 to 7) ----------------------------------------------------------

  // A shape answers where a value is not of it, as a JSON pointer, or null if it is.
  const is = (predicate) => (value) => (predicate(value) ? null : "");
  const oneOf = (...words) => is((value) => isText(value) && words.includes(value));
  const isMissing = (value) =>
    isObject(value) &&
    Object.keys(value).length === 1 &&
    ["not_done", "unknown", "refused", "not_applicable", "not_available"].includes(value.missing);
  const orMissing = (shape) => (value) => (isMissing(value) ? null : shape(value));

  /** An object of these members and no others; `!` behind a name: needed; `~`: may be missing with a reason. */
  function members(listed) {
    const known = new Map();
    for (const [key, shape] of Object.entries(listed)) {
      const name = key.replace(/[!~]+$/, "");
      known.set(name, { needed: key.includes("!"), shape: key.includes("~") ? orMissing(shape) : shape });
    }
    return (value) => {
      if (!isObject(value)) return "";
      const stranger = Object.keys(value).find((key) => !known.has(key));
      if (stranger !== undefined) return `/${stranger}`;
      for (const [name, { needed, shape }] of known) {
        const fault = name in value ? shape(value[name]) : needed ? "" : null;
        if (fault !== null) return `/${name}${fault}`;
      }
      return null;
    };
  }

  const firstFault = (pairs, shape) => {
    for (const [key, value] of pairs) {
      const fault = shape(value);
      if (fault !== null) return `/${key}${fault}`;
    }
    return null;
  };
  const listOf = (shape) => (value) => (Array.isArray(value) ? firstFault(value.entries(), shape) : "");
  const mapOf = (keys, shape) => (value) => {
    if (!isObject(value)) return "";
    const stranger = Object.keys(value).find((key) => !keys.includes(key));
    return stranger !== undefined ? `/${stranger}` : firstFault(Object.entries(value), shape);
  };

  const [TEXT, BOOLEAN, DECIMAL, DATE, TIME] = [is(isText), is(isBoolean), is(isDecimal), is(isDate), is(isTime)];
  const [ACTOR, HASH, INSTANT, SITE, ZONE] = [is(isActor), is(isHash), is(isInstant), is(isSite), is(isZone)];
  const [SUBJECT, CUT] = [is(isSubject), is(isCut)];
  const whole = (least, most) => is(isInteger(least, most));
  const [U16, U32, COUNT, SCHEMA] = [whole(0, 65535), whole(0, 4294967295), is(isCount), is(Number.isInteger)];

  const ROLES_OF_A_SITE = ["principal_investigator", "investigator", "coordinator"];
  const ROLE = oneOf(
    ...["sponsor", ...ROLES_OF_A_SITE, "cell_lab", "monitor", "data_manager", "sponsor_safety", "committee"],
    ...["statistician", "inspector", "auditor"],
  );
  const SEALED = members({
    "alg!": oneOf("xchacha20poly1305"),
    "ciphertext!": is((value) => isText(value) && (unbase64(value)?.length ?? 0) >= 48),
    "commitment!": HASH,
    "nonce!": is(isBase64(24)),
    "wrapped_key!": is(isBase64(72)),
  });
  const IMPORT = members({
    "rows!": listOf(members({ "row!": U32, "table!": TEXT })),
    "standard!": TEXT,
  });
  const DRUGS = listOf(
    members({
      "dose~": members({ "unit!": TEXT, "value!": DECIMAL }),
      "from~": DATE,
      "name!": TEXT,
      "until~": DATE,
    }),
  );
  const CAUSALITY = mapOf(
    ["product", "procedure", "conditioning", "underlying_disease", "other"],
    orMissing(oneOf("none", "unlikely", "possible", "probable", "certain")),
  );
  const DESCRIPTORS = (
    "seizure psychosis organic_brain_syndrome visual_disturbance cranial_nerve_disorder lupus_headache " +
    "cerebrovascular_accident vasculitis arthritis myositis urinary_casts haematuria proteinuria pyuria rash " +
    "alopecia mucosal_ulcers pleurisy pericarditis low_complement increased_dna_binding fever thrombocytopenia " +
    "leukopenia"
  ).split(" ");

  const ABOUT_SUBJECTS = [
    ...["enrollment", "infusion", "visit", "adverse_event", "disposition", "contact", "screening", "consent"],
    ...["ae_assessment", "safety_report_sent", "adjudication", "allocation", "unblinding", "protocol_deviation"],
    ...["signature", "subject_transferred"],
  ];
  const RESERVED = "query verification lock unlock audit_review text_key_destroyed site_closed".split(" ");
  const ABOUT_THE_TRIAL = [
    ...["trial_opened", "site_activated", "key_granted", "key_revoked", "service_key_granted", "log_key_changed"],
    ...["product_lot", "protocol_amended", "data_cut", "report_published", "subjects_linked"],
  ];
  const KINDS = [...ABOUT_THE_TRIAL, ...ABOUT_SUBJECTS, ...RESERVED];

  // What a definition of a trial's own may say, by its kind (section 7, Parameters of a definition).
  const CONDITIONS = listOf(
    members({
      "is!": oneOf("at_most", "below", "at_least", "above"),
      "measure!": TEXT,
      unit: TEXT,
      "value!": DECIMAL,
    }),
  );
  const ITEMS = listOf(oneOf(...DESCRIPTORS));
  const END = oneOf("earliest", "latest");
  const SERIOUSNESS = listOf(
    oneOf(
      ...["death", "life_threatening", "hospitalisation", "disability", "congenital_anomaly"],
      "medically_important",
    ),
  );
  const PARAMETERS = {
    change: members({ "within!": U16 }),
    evaluable: members({
      "rule!": oneOf("anniversary", "potential_follow_up", "visit_completer", "all_infused"),
      window_days: U32,
    }),
    flare: members({
      "conditions_severe!": CONDITIONS,
      "drugs_mild!": listOf(TEXT),
      "drugs_severe!": listOf(TEXT),
      "items_mild!": ITEMS,
      "items_severe!": ITEMS,
      "pga_rise_min!": DECIMAL,
      "pga_severe_above!": DECIMAL,
      "prednisone_severe_above!": DECIMAL,
      "sledai_rise_min!": U16,
      "sledai_severe_above!": U16,
    }),
    imputation: members({
      "death!": END,
      "death_sensitivity!": END,
      "event_end!": END,
      "onset!": END,
      "relapse!": END,
    }),
    landmarks: members({ days: listOf(U32), "window_days!": U32, "years!": listOf(U16) }),
    measure: members({
      "denominator!": oneOf("evaluable", "at_risk", "responders", "enrolled"),
      "period!": oneOf("year", "ever"),
    }),
    populations: members({ "sets!": listOf(oneOf("screened", "enrolled", "infused", "evaluable")) }),
    related: members({
      "agents!": listOf(oneOf("product", "procedure", "conditioning", "underlying_disease", "other")),
      "missing_is_related!": BOOLEAN,
      "threshold!": oneOf("none", "unlikely", "possible", "probable", "certain"),
    }),
    relapse: members({
      "judged_by!": listOf(oneOf("investigator", "adjudication")),
      "prior_response!": BOOLEAN,
    }),
    remission: members({
      "conditions!": CONDITIONS,
      "items_absent!": ITEMS,
      "no_new_items!": BOOLEAN,
      "taken_as_absent!": listOf(TEXT),
    }),
    serious: members({ "any_of!": SERIOUSNESS }),
    severity: members({ "bands!": listOf(members({ "from!": U16, "name!": TEXT })) }),
    sledai: members({
      "arthritis_joints_min!": U16,
      "persistent_counts!": BOOLEAN,
      "window_days!": is((value) => [10, 28, 30].includes(value)),
    }),
    stopping: members({
      "event!": oneOf("death", "related", "serious", "serious_related"),
      "prior_alpha!": DECIMAL,
      "prior_beta!": DECIMAL,
      "probability!": DECIMAL,
      "rate!": DECIMAL,
      "window_days!": U32,
    }),
    windows: members({ "tie!": oneOf("earlier", "later"), "unscheduled!": BOOLEAN }),
  };
  const DEFINITION = members({
    "id!": is(
      (value) => isText(value) && value.length <= 64 && /^[a-z0-9]+(-[a-z0-9]+)*-[1-9][0-9]{0,3}$/.test(value),
    ),
    "of!": oneOf(...Object.keys(PARAMETERS)),
    "parameters!": is(isObject),
    "text!": TEXT,
    "title!": TEXT,
  });

  // What is shipped: kind and parameters by id. A trial's own definition of such an id has to say the same.
  const SHIPPED = new Map([
    [
      "sledai-change-1",
      "change",
      '{"within":3}',
    ],
    [
      "evaluable-1",
      "evaluable",
      '{"rule":"anniversary"}',
    ],
    [
      "potential-follow-up-1",
      "evaluable",
      '{"rule":"potential_follow_up"}',
    ],
    [
      "visit-completer-1",
      "evaluable",
      '{"rule":"visit_completer","window_days":60}',
    ],
    [
      "all-infused-1",
      "evaluable",
      '{"rule":"all_infused"}',
    ],
    [
      "selena-flare-1",
      "flare",
      '{"conditions_severe":[{"is":"below","measure":"loinc:777-3","unit":"10*9/L","value":"60"}],"drugs_mild":["celecoxib","diclofenac","etoricoxib","hydroxychloroquine","ibuprofen","indometacin","ketoprofen","loxoprofen","meloxicam","naproxen"],"drugs_severe":["azathioprine","cyclophosphamide","methotrexate","mycophenolate mofetil","mycophenolic acid"],"items_mild":["arthritis","fever","mucosal_ulcers","pericarditis","pleurisy","rash"],"items_severe":["cerebrovascular_accident","cranial_nerve_disorder","haematuria","lupus_headache","myositis","organic_brain_syndrome","proteinuria","psychosis","pyuria","seizure","urinary_casts","vasculitis","visual_disturbance"],"pga_rise_min":"1.0","pga_severe_above":"2.5","prednisone_severe_above":"0.5","sledai_rise_min":3,"sledai_severe_above":12}',
    ],
    [
      "impute-1",
      "imputation",
      '{"death":"earliest","death_sensitivity":"latest","event_end":"latest","onset":"earliest","relapse":"earliest"}',
    ],
    [
      "landmarks-1",
      "landmarks",
      '{"window_days":60,"years":[1,2,3,4]}',
    ],
    [
      "relapse-in-year-1",
      "measure",
      '{"denominator":"evaluable","period":"year"}',
    ],
    [
      "relapse-at-risk-1",
      "measure",
      '{"denominator":"at_risk","period":"year"}',
    ],
    [
      "relapse-among-responders-1",
      "measure",
      '{"denominator":"responders","period":"ever"}',
    ],
    [
      "relapse-ever-1",
      "measure",
      '{"denominator":"enrolled","period":"ever"}',
    ],
    [
      "sets-1",
      "populations",
      '{"sets":["screened","enrolled","infused","evaluable"]}',
    ],
    [
      "related-1",
      "related",
      '{"agents":["product","procedure"],"missing_is_related":true,"threshold":"possible"}',
    ],
    [
      "relapse-1",
      "relapse",
      '{"judged_by":["investigator","adjudication"],"prior_response":false}',
    ],
    [
      "relapse-after-response-1",
      "relapse",
      '{"judged_by":["investigator","adjudication"],"prior_response":true}',
    ],
    [
      "ccr-registry-1",
      "remission",
      '{"conditions":[{"is":"at_most","measure":"sledai_clinical","value":"0"},{"is":"at_most","measure":"prednisone_mg_per_day","value":"10"}],"items_absent":[],"no_new_items":false,"taken_as_absent":[]}',
    ],
    [
      "doris-2021",
      "remission",
      '{"conditions":[{"is":"at_most","measure":"sledai_clinical","value":"0"},{"is":"below","measure":"pga","value":"0.5"},{"is":"at_most","measure":"prednisone_mg_per_day","value":"5"}],"items_absent":[],"no_new_items":false,"taken_as_absent":[]}',
    ],
    [
      "lldas-registry-1",
      "remission",
      '{"conditions":[{"is":"at_most","measure":"sledai_total","value":"4"},{"is":"at_most","measure":"pga","value":"1"},{"is":"at_most","measure":"prednisone_mg_per_day","value":"7.5"}],"items_absent":["seizure","psychosis","organic_brain_syndrome","visual_disturbance","cranial_nerve_disorder","lupus_headache","cerebrovascular_accident","vasculitis","urinary_casts","haematuria","proteinuria","pyuria","pleurisy","pericarditis","fever"],"no_new_items":true,"taken_as_absent":["haemolytic anaemia","gastrointestinal activity","treatment outside the standard doses"]}',
    ],
    [
      "sledai-2-1",
      "remission",
      '{"conditions":[{"is":"at_most","measure":"sledai_total","value":"2"}],"items_absent":[],"no_new_items":false,"taken_as_absent":[]}',
    ],
    [
      "seriousness-1",
      "serious",
      '{"any_of":["death","life_threatening","hospitalisation","disability","congenital_anomaly","medically_important"]}',
    ],
    [
      "sledai-bands-eular-1",
      "severity",
      '{"bands":[{"from":0,"name":"none"},{"from":1,"name":"low"},{"from":5,"name":"moderate"},{"from":11,"name":"high"}]}',
    ],
    [
      "sledai-bands-bsr-1",
      "severity",
      '{"bands":[{"from":0,"name":"mild"},{"from":6,"name":"moderate"},{"from":13,"name":"severe"}]}',
    ],
    [
      "sledai-bands-cook-1",
      "severity",
      '{"bands":[{"from":0,"name":"none"},{"from":1,"name":"mild"},{"from":6,"name":"moderate"},{"from":11,"name":"high"},{"from":20,"name":"very high"}]}',
    ],
    [
      "sledai-2k-1",
      "sledai",
      '{"arthritis_joints_min":2,"persistent_counts":true,"window_days":10}',
    ],
    [
      "sledai-2k-30d-1",
      "sledai",
      '{"arthritis_joints_min":2,"persistent_counts":true,"window_days":30}',
    ],
    [
      "stopping-beta-binomial-1",
      "stopping",
      '{"event":"serious_related","prior_alpha":"0.5","prior_beta":"9.5","probability":"0.95","rate":"0.05","window_days":100}',
    ],
    [
      "windows-1",
      "windows",
      '{"tie":"later","unscheduled":true}',
    ],
  ].map(([id, of, parameters]) => [id, { of, parameters }]));

  /** A trial's own definitions: no id twice, and none of a shipped one that says something else. */
  function ownDefinitions(own) {
    const fault = listOf(DEFINITION)(own);
    if (fault !== null) return fault;
    const ids = new Set();
    for (const [at, { id, of, parameters }] of own.entries()) {
      if (ids.has(id)) return `/${at}/id`;
      ids.add(id);
      const inside = PARAMETERS[of](parameters);
      if (inside !== null) return `/${at}/parameters${inside}`;
      const shipped = SHIPPED.get(id);
      // Both are in canonical order, and have no text that JSON could write in two ways.
      if (shipped && (shipped.of !== of || shipped.parameters !== JSON.stringify(parameters))) {
        return `/${at}/parameters`;
      }
    }
    return null;
  }

  const DEFINITIONS = members({
    "evaluable!": TEXT,
    flare: TEXT,
    "imputation!": TEXT,
    landmarks: TEXT,
    own: ownDefinitions,
    populations: TEXT,
    "related!": TEXT,
    "relapse!": TEXT,
    "remission!": TEXT,
    severity: TEXT,
    sledai: TEXT,
    stopping: TEXT,
    windows: TEXT,
  });
  const PROFILE = members({ "mandatory!": mapOf(KINDS, listOf(TEXT)) });
  const SCHEDULE = listOf(
    members({
      "day!": whole(-2147483648, 2147483647),
      "name!": TEXT,
      "window_after!": U32,
      "window_before!": U32,
    }),
  );
  const AGE = members({ "unit!": oneOf("years", "months"), "value!": U16 });
  const CONSENT = members({ "document_version!": TEXT, "language!": TEXT, "signed_on!": DATE });
  const CRITERIA = listOf(members({ "id!": TEXT, "result!": oneOf("met", "not_met", "not_done") }));
  const SEX = oneOf("female", "male", "undifferentiated");
  const SOURCE = oneOf("bone_marrow", "umbilical_cord", "adipose", "other");
  const RELEASE = oneOf("released", "exceptional", "not_released");
  const RELAPSE = members({ "definition!": TEXT, "relapsed!": BOOLEAN });
  const RESPONSE = members({
    "definition!": TEXT,
    "status!": oneOf("complete", "partial", "none", "not_determinable"),
  });
  const REFERENCE = members({ "hash!": HASH, "seq!": COUNT });
  const REFERENCES = listOf(REFERENCE);
  /** Records that a signature names: at least one, in ascending order, each once. */
  const STATEMENTS = (value) => {
    const fault = REFERENCES(value);
    if (fault !== null) return fault;
    const follows = ({ seq }, index) => index === 0 || value[index - 1].seq < seq;
    return value.length > 0 && value.every(follows) ? null : "";
  };
  const ADJUDICATION = members({
    comment: SEALED,
    landmark_years: whole(0, 255),
    relapse: RELAPSE,
    response: RESPONSE,
  });

  const CONTENTS = {
    trial_opened: members({
      "definitions!": DEFINITIONS,
      "log_key!": TEXT,
      "profile!": PROFILE,
      "rule_set!": U32,
      "schedule!": SCHEDULE,
      "sponsor_keys!": listOf(members({ "holder!": ACTOR, "organisation!": TEXT, "public_key!": TEXT })),
      "synthetic!": BOOLEAN,
      "title!": TEXT,
      "zone!": ZONE,
    }),
    site_activated: members({ "country!": TEXT, "name!": TEXT, "zone!": ZONE }),
    key_granted: members({
      "holder!": ACTOR,
      "organisation!": TEXT,
      "possession!": TEXT,
      "public_key!": TEXT,
      "role!": ROLE,
      "sites!": listOf(SITE),
      valid_from: INSTANT,
      valid_until: INSTANT,
    }),
    key_revoked: members({
      "key!": HASH,
      "reason!": oneOf("left", "replaced", "lost", "compromised"),
      suspected_since: DATE,
    }),
    service_key_granted: members({ "possession!": TEXT, "service!": oneOf("receipts"), "verifier_key!": TEXT }),
    log_key_changed: members({ "possession!": TEXT, "verifier_key!": TEXT }),
    enrollment: members({
      "age~": AGE,
      "birth_year~": U16,
      "consent~": CONSENT,
      criteria: CRITERIA,
      "diagnosed_on~": DATE,
      import: IMPORT,
      "planned_infusions~": U16,
      prior_therapies: listOf(members({ "from~": DATE, "name!": TEXT, "until~": DATE })),
      "sex~": SEX,
      text_key: HASH,
    }),
    infusion: members({
      cells: members({
        "body_weight_kg~": DECIMAL,
        "body_weight_on~": DATE,
        "donor~": TEXT,
        "expires_on~": DATE,
        "given_per_kg!~": COUNT,
        "lot!~": TEXT,
        "passage~": U16,
        "planned_per_kg!~": COUNT,
        "preparation~": oneOf("fresh", "thawed"),
        "release~": RELEASE,
        "source!": SOURCE,
        "total~": COUNT,
        "viability_method~": TEXT,
        "viability_percent~": DECIMAL,
      }),
      conditioning: DRUGS,
      "dose~": members({ "amount!": DECIMAL, frequency: TEXT, "unit!": TEXT }),
      "identity_check~": members({ "first!": ACTOR, "second!": ACTOR }),
      import: IMPORT,
      interruptions: listOf(members({ "from!": TIME, until: TIME })),
      "number~": U16,
      premedication: DRUGS,
      "route~": TEXT,
      started_at: TIME,
      stopped_at: TIME,
      "stopped_on~": DATE,
    }),
    visit: members({
      "gvhd~": members({
        "liver!": whole(0, 4),
        "lower_gi!": whole(0, 4),
        "skin!": whole(0, 4),
        "upper_gi!": whole(0, 1),
      }),
      import: IMPORT,
      medications: DRUGS,
      "missed_because~": oneOf(
        ...["died", "withdrew", "lost_to_follow_up", "subject_refused", "subject_unavailable", "illness"],
        ...["site_unavailable", "site_closed", "not_arranged", "other"],
      ),
      missed_because_text: SEALED,
      observations: listOf(
        members({
          local: members({ "code!": TEXT, name: TEXT, "system!": TEXT }),
          loinc: TEXT,
          method: TEXT,
          on: DATE,
          range: members({ high: DECIMAL, low: DECIMAL }),
          "reported!~": members({ unit: TEXT, "value!": TEXT }),
          ucum: members({ "unit!": TEXT, "value!": DECIMAL }),
        }),
      ),
      part: members({ "number!": U16, "of!": U16 }),
      "pga~": DECIMAL,
      planned: TEXT,
      "prednisone_mg_per_day~": DECIMAL,
      relapse: RELAPSE,
      response: RESPONSE,
      sledai: mapOf(DESCRIPTORS, oneOf("present", "absent", "not_done")),
      "status!": oneOf("done", "partial", "missed"),
    }),
    adverse_event: members({
      "action~": oneOf("not_changed", "reduced", "interrupted", "withdrawn", "increased", "not_applicable"),
      "aware_at~": INSTANT,
      causality: CAUSALITY,
      "coding~": members({
        "dictionary!": TEXT,
        "pt!": TEXT,
        pt_code: TEXT,
        "soc!": TEXT,
        soc_code: TEXT,
        "version!~": TEXT,
      }),
      "ctcae~": members({ "grade!": whole(1, 5), "version!": TEXT }),
      "end~": members({ at: TIME, on: DATE }),
      import: IMPORT,
      narrative: SEALED,
      onset_at: TIME,
      "outcome~": oneOf(
        ...["recovered", "recovered_with_sequelae", "recovering", "not_recovered", "fatal", "unknown"],
      ),
      "serious_reported~": BOOLEAN,
      seriousness: SERIOUSNESS,
      "severity~": oneOf("mild", "moderate", "severe"),
      term: SEALED,
    }),
    disposition: members({
      death: members({ cause: SEALED, relatedness: CAUSALITY }),
      import: IMPORT,
      "reason!": oneOf(
        ...["completed", "death", "screen_failure", "adverse_event", "withdrawal_by_subject", "lost_to_follow_up"],
        ...["physician_decision", "sponsor_decision", "protocol_violation", "lack_of_efficacy"],
        ...["study_terminated", "other"],
      ),
      "scope!": oneOf("screening", "treatment", "study"),
      "withdrawal~": oneOf("treatment", "visits", "all_contact", "samples"),
    }),
    contact: members({
      import: IMPORT,
      "means!": oneOf("phone", "letter", "registry", "third_party", "other"),
      "vital_status!": oneOf("alive", "dead", "unknown"),
    }),
    screening: members({
      "age~": AGE,
      "birth_year~": U16,
      "consent~": CONSENT,
      criteria: CRITERIA,
      import: IMPORT,
      "result!": oneOf("passed", "failed", "withdrawn"),
      "sex~": SEX,
      text_key: HASH,
    }),
    consent: members({
      "document_version!": TEXT,
      "language!": TEXT,
      "occasion!": oneOf("initial", "new_version", "new_circumstances"),
      "signed_by~": oneOf("subject", "representative", "both"),
      text_key: HASH,
    }),
    product_lot: members({
      "donors!": listOf(TEXT),
      "expires_on~": DATE,
      "lot!": TEXT,
      "manufactured_on~": DATE,
      manufacturer: TEXT,
      "passage~": U16,
      "release!": RELEASE,
      "source!": SOURCE,
      "viability_method~": TEXT,
      "viability_percent~": DECIMAL,
    }),
    ae_assessment: members({
      "adverse_event!": REFERENCE,
      "aware_at~": INSTANT,
      causality: CAUSALITY,
      comment: SEALED,
      "expectedness!~": oneOf("expected", "unexpected"),
      "reference_information~": TEXT,
      seriousness: SERIOUSNESS,
    }),
    safety_report_sent: members({
      "adverse_event!": REFERENCE,
      "jurisdiction!": TEXT,
      "recipient!": TEXT,
      reference: TEXT,
      "report!": oneOf("initial", "completion", "follow_up"),
      "sent_at!": INSTANT,
    }),
    adjudication: (value) => ADJUDICATION(value) ?? (value.response || value.relapse ? null : ""),
    allocation: members({ "commitment!": HASH, number: U32 }),
    unblinding: members({
      comment: SEALED,
      "informed!": listOf(ROLE),
      "reason!": oneOf("emergency", "safety_report", "analysis", "accidental", "other"),
    }),
    protocol_deviation: members({
      "category!": oneOf(
        ...["eligibility", "consent", "treatment", "visit", "procedure", "medication", "safety_reporting"],
        ...["blinding", "other"],
      ),
      description: SEALED,
      "severity!": oneOf("minor", "important"),
    }),
    protocol_amended: members({
      definitions: DEFINITIONS,
      "effective_on!": DATE,
      profile: PROFILE,
      schedule: SCHEDULE,
      "summary!": TEXT,
      "version!": TEXT,
    }),
    data_cut: members({
      "cutoff_date!": is((value) => isDate(value) && value.length === 10),
      "head!": HASH,
      "name!": CUT,
      previous: CUT,
      "records!": COUNT,
      "root!": HASH,
    }),
    report_published: members({
      "access!": oneOf("open", "closed"),
      "bytes!": COUNT,
      "cut!": CUT,
      "engine!": TEXT,
      "report!": TEXT,
      "sha256!": HASH,
    }),
    signature: members({
      "meaning!": oneOf("endorsement", "review", "approval"),
      "statements!": STATEMENTS,
    }),
    subject_transferred: members({ "to!": SITE }),
    subjects_linked: members({ "duplicate!": SUBJECT, "kept!": SUBJECT }),
  };

  const AMENDS = members({
    comment: SEALED,
    "effect!": oneOf("replace", "void"),
    "hash!": HASH,
    "reason!": oneOf("transcription", "source_corrected", "coding", "late_information", "wrong_subject", "other"),
    "seq!": COUNT,
  });
  const STAFF = ["investigator", "coordinator", "site_staff"];
  const REPORTER = members({
    id: ACTOR,
    "role!": oneOf(
      ...STAFF,
      ...["subject", "relative", "other_physician", "laboratory", "authority", "other"],
    ),
  });
  const TAKEN_FROM = members({
    "means!": oneOf("chart", "paper", "phone", "in_person", "message", "system", "other"),
    // Only people of a site are named.
    reported_by: (by) => REPORTER(by) ?? (by.id === undefined || STAFF.includes(by.role) ? null : "/id"),
  });
  const FINDINGS = listOf(
    members({
      "finding!": is(isFinding),
      pointer: is(isPointer),
      "reason!": oneOf("as_in_source", "investigator_agrees", "being_clarified", "other"),
    }),
  );
  /** What its signer knew would be found: at least one, ascending by name and pointer, each once. */
  const CONFIRMED = (value) => {
    const fault = FINDINGS(value);
    if (fault !== null) return fault;
    const after = (one, other) =>
      one.finding === other.finding ? (one.pointer ?? "") > (other.pointer ?? "") : one.finding > other.finding;
    const follows = (one, index) => index === 0 || after(one, value[index - 1]);
    return value.length > 0 && value.every(follows) ? null : "";
  };
  const NOTHING = members({});

  function envelope(kind, data) {
    const common = {
      "actor!": members({ "id!": ACTOR, "organisation!": TEXT, "role!": ROLE }),
      confirmed: members({ "findings!": CONFIRMED }),
      "data!": data,
      "id!": is(isEventId),
      "key!": HASH,
      "kind!": TEXT,
      "log!": HASH,
      "schema!": SCHEMA,
      "signed_at!": INSTANT,
      "trial!": is(isTrial),
      "zone!": ZONE,
    };
    if (kind === "site_activated") common["site!"] = SITE;
    if (ABOUT_SUBJECTS.includes(kind)) {
      Object.assign(common, { "site!": SITE, "subject!": SUBJECT, amends: AMENDS, follows: REFERENCE });
      common.confirmed = members({ comment: SEALED, "findings!": CONFIRMED });
      if (kind !== "signature") common.taken_from = TAKEN_FROM;
      // A signature is made when it is signed; an onset may be unknown.
      if (kind !== "signature") common[kind === "adverse_event" ? "occurred_on" : "occurred_on!"] = DATE;
    }
    return members(common);
  }

  const EVENTS = new Map(Object.entries(CONTENTS).map(([kind, data]) => [kind, envelope(kind, data)]));
  const VOIDS = new Map(ABOUT_SUBJECTS.map((kind) => [kind, envelope(kind, NOTHING)]));
  const EVENT_BYTES_MAX = 64000;

  /** Why an event is not of this version's form: `[code, pointer]`, or null. */
  function eventFault(event, bytes) {
    if (bytes > EVENT_BYTES_MAX) return ["event-malformed", ""];
    if (RESERVED.includes(event.kind)) return ["beyond-this-version", "/kind"];
    if (Number.isInteger(event.schema) && event.schema !== 1) return ["beyond-this-version", "/schema"];
    const shape = (event.amends?.effect === "void" ? VOIDS : EVENTS).get(event.kind);
    const fault = shape ? shape(event) : "/kind";
    if (fault !== null) return ["event-malformed", fault];
    // Whoever signs reports nothing to themselves.
    const by = event.taken_from?.reported_by?.id;
    if (by !== undefined && by === event.actor.id) return ["event-malformed", "/taken_from/reported_by/id"];
    return event.amends && event.follows ? ["event-malformed", "/follows"] : null;
  }

  // ---- Authority and corrections (sections 8 and 9) -------------------------------------------------------------

  const IMPORTED = ["screening", "enrollment", "infusion", "visit", "adverse_event", "disposition", "contact"];
  const SUBJECT_KINDS_OF_SITES = ["consent", ...IMPORTED];
  const INVESTIGATORS = [
    ...SUBJECT_KINDS_OF_SITES,
    ...["protocol_deviation", "subject_transferred", "unblinding", "signature"],
  ];
  /** What investigators state they may sign, but for signatures. */
  const SIGNABLE = INVESTIGATORS.filter((kind) => kind !== "signature");
  const NO_KINDS = { trial: [], sites: [], imports: [] };
  const ROLES = {
    sponsor: {
      trial: [
        ...["trial_opened", "site_activated", "site_closed", "protocol_amended", "log_key_changed"],
        ...["service_key_granted", "key_granted", "key_revoked"],
      ],
    },
    principal_investigator: { sites: [...INVESTIGATORS, "key_granted", "key_revoked"] },
    investigator: { sites: INVESTIGATORS },
    coordinator: { sites: SUBJECT_KINDS_OF_SITES },
    cell_lab: { trial: ["product_lot"] },
    monitor: { trial: ["query", "verification"] },
    data_manager: {
      trial: ["query", "lock", "unlock", "data_cut", "subjects_linked", "allocation"],
      imports: IMPORTED,
    },
    sponsor_safety: { trial: ["ae_assessment", "safety_report_sent", "unblinding"] },
    committee: { trial: ["adjudication"] },
    statistician: { trial: ["data_cut", "report_published"] },
    inspector: {},
    auditor: {},
  };
  const kindsOf = (role) => ({ ...NO_KINDS, ...ROLES[role] });

  // What a verifier calls a refusal of admission that a log holds all the same (section 11).
  const FINDING_OF = {
    "key-unknown": "signer-not-entitled",
    "trial-not-open": "admission-contradicted",
    "trial-already-open": "admission-contradicted",
    "trial-differs": "event-of-another-log",
    "log-differs": "event-of-another-log",
    "actor-differs": "actor-not-holder",
    "key-not-in-force": "signer-not-entitled",
    "key-revoked": "signer-not-entitled",
    "role-not-entitled": "signer-not-entitled",
    "site-not-entitled": "signer-not-entitled",
    "import-unmarked": "signer-not-entitled",
    "site-unknown": "admission-contradicted",
    "site-already-active": "admission-contradicted",
    "subject-unknown": "admission-contradicted",
    "subject-of-another-site": "admission-contradicted",
    "amended-unknown": "amendment-not-of-latest",
    "amended-differs": "amendment-not-of-latest",
    "stale-amendment": "amendment-not-of-latest",
    "already-void": "amendment-not-of-latest",
    "followed-unknown": "admission-contradicted",
    "followed-differs": "admission-contradicted",
    "other-organisation": "signer-not-entitled",
    "grant-key-repeated": "admission-contradicted",
    "grant-malformed": "admission-contradicted",
    "grant-without-possession": "bad-signature",
    "grant-not-entitled": "signer-not-entitled",
    "revoked-unknown": "admission-contradicted",
    "revoked-already": "admission-contradicted",
    "revokes-itself": "signer-not-entitled",
    "revokes-last-log-key": "admission-contradicted",
    "opening-malformed": "admission-contradicted",
    "reference-unknown": "admission-contradicted",
    "reference-differs": "admission-contradicted",
    "reference-not-in-force": "admission-contradicted",
    "transfer-impossible": "admission-contradicted",
    "link-impossible": "admission-contradicted",
    "cut-name-repeated": "admission-contradicted",
    "cut-unknown": "admission-contradicted",
    "cut-differs": "admission-contradicted",
  };
  // Refusals that an earlier record, were it there, might take away (section 21).
  const MAY_REST_ON_ABSENT = [
    ...["key-unknown", "site-unknown", "subject-unknown", "subject-of-another-site", "grant-not-entitled"],
    ...["revoked-unknown", "revokes-last-log-key", "amended-unknown", "followed-unknown", "stale-amendment"],
    ...["already-void", "reference-unknown", "reference-not-in-force", "link-impossible"],
    ...["cut-unknown", "cut-differs"],
  ];

  const keyId = async (publicKey) => hex(await sha256(publicKey));

  /** Of a log's keys, `{ key, at, revokedAt }` each, those with which a checkpoint over `size` records has to be signed. */
  function keysInForce(logKeys, size) {
    const last = Math.max(size, 1);
    return logKeys
      .filter(({ at, revokedAt }) => at < last && (revokedAt === undefined || last <= revokedAt))
      .map(({ key }) => key);
  }

  /** Who is entitled to what, as the records so far have it. */
  class Authority {
    genesis = null;
    trial = null;
    origin = null;
    grants = new Map();
    /** The log's own keys by their ids, in the order of the records that name them. */
    logKeys = new Map();
    sites = new Set();
    /** Of each subject the site it is at, and its moves: the first record of each one's thing and the site left by it. */
    subjects = new Map();
    /** How many records each data cut covers, by its name, in the order of recording. */
    cuts = new Map();
    /** Pseudonyms given up, each with the one that stays. */
    links = new Map();
    /** The hash of each record before, null where nobody knows it. */
    hashes = [];
    /** Of each record what corrections ask for: null where it cannot be read, undefined where it is not there. */
    records = [];

    /** Takes the opening; answers the code of a refusal or null. A refused one is followed as far as it can be read. */
    async open(event, hash) {
      if (event.kind !== "trial_opened") return "trial-not-open";
      const { data } = event;
      const logKey = await verifierKey(data.log_key, LOG);
      if (logKey) this.logKeys.set(await keyId(logKey.publicKey), { key: logKey, at: 0 });
      Object.assign(this, { genesis: hash, trial: event.trial, origin: logKey?.name ?? null });
      let wellFormed = logKey !== null && data.rule_set === 1;
      for (const { holder, organisation, public_key: text } of data.sponsor_keys) {
        const id = isPublicKey(text) ? await keyId(unbase64(text)) : null;
        wellFormed &&= id !== null && !this.grants.has(id);
        if (id === null) continue;
        const publicKey = unbase64(text);
        this.grants.set(id, { holder, organisation, role: "sponsor", sites: [], publicKey, by: "sponsor", at: 0 });
      }
      if (event.log !== "0".repeat(64)) return "log-differs";
      if (!wellFormed) return "opening-malformed";
      const grant = this.signer(event);
      if (!grant) return "key-unknown";
      return this.isHolder(event.actor, grant) ? null : "actor-differs";
    }

    signer(event) {
      const grant = this.grants.get(event.key);
      return grant && !grant.service ? grant : null;
    }

    isHolder(actor, grant) {
      return actor.id === grant.holder && actor.organisation === grant.organisation && actor.role === grant.role;
    }

    inForce(grant, at) {
      return (
        grant.revokedAt === undefined &&
        (grant.from === undefined || grant.from <= at) &&
        (grant.until === undefined || at < grant.until)
      );
    }

    /** The code of the first reason for which an event behind the opening is refused, or null. */
    async judge(event, recordedAt) {
      if (event.trial !== this.trial) return "trial-differs";
      if (event.kind === "trial_opened") return "trial-already-open";
      if (event.log !== this.genesis) return "log-differs";
      const grant = this.signer(event);
      if (!grant) return "key-unknown";
      if (!this.isHolder(event.actor, grant)) return "actor-differs";
      if (grant.revokedAt !== undefined) return "key-revoked";
      if (!this.inForce(grant, recordedAt)) return "key-not-in-force";
      const { trial, sites, imports } = kindsOf(grant.role);
      if (![...trial, ...sites, ...imports].includes(event.kind)) return "role-not-entitled";
      const onlyImports = imports.includes(event.kind);
      if (onlyImports && event.amends?.effect !== "void" && !event.data.import) return "import-unmarked";
      if (event.site !== undefined) {
        if (sites.includes(event.kind) && !grant.sites.includes(event.site)) return "site-not-entitled";
        const active = this.sites.has(event.site);
        const activates = event.kind === "site_activated";
        if (active && activates) return "site-already-active";
        if (!active && !activates) return "site-unknown";
      }
      if (event.kind === "key_granted") return this.judgeGrant(event, grant, recordedAt);
      if (event.kind === "service_key_granted") return this.judgeRegistryKey(event, `${this.origin}/receipts`);
      if (event.kind === "log_key_changed") return this.judgeRegistryKey(event, this.origin);
      if (event.kind === "key_revoked") return this.judgeRevocation(event, grant);
      if (event.kind === "subjects_linked") return this.judgeLink(event.data);
      if (event.kind === "data_cut") return this.judgeCut(event.data);
      if (event.kind === "report_published") return this.cuts.has(event.data.cut) ? null : "cut-unknown";
      if (event.subject === undefined) return null;
      const subject = this.subjects.get(event.subject);
      if (subject === undefined && !makesKnown(event)) return "subject-unknown";
      const hasMoved = (subject?.moves.length ?? 0) > 0;
      // What a site stated is amended and signed there, also when the subject has moved on.
      const isAmendedThere = hasMoved && (event.amends !== undefined || event.kind === "signature");
      if (subject && subject.site !== event.site && !isAmendedThere) return "subject-of-another-site";
      return this.judgeCorrection(event, onlyImports, hasMoved) ?? this.judgeAbout(event);
    }

    /** What an event about a subject says of another record, or of another site. */
    judgeAbout({ kind, data, site, subject, amends }) {
      if (amends?.effect === "void") return null;
      if (kind === "subject_transferred") {
        if (!this.sites.has(data.to)) return "site-unknown";
        return data.to === site ? "transfer-impossible" : null;
      }
      if (kind === "signature") {
        const faults = data.statements.map((named) => this.judgeSigned(named, site, subject));
        return faults.find((fault) => fault !== null) ?? null;
      }
      if (kind !== "ae_assessment" && kind !== "safety_report_sent") return null;
      const { seq, hash } = data.adverse_event;
      const named = this.records[seq];
      if (!named) return "reference-unknown";
      const same = named.hash === hash && named.kind === "adverse_event" && named.subject === subject;
      return same ? null : "reference-differs";
    }

    /** One of the records that a signature names. */
    judgeSigned({ seq, hash }, site, subject) {
      const named = this.records[seq];
      if (!named) return "reference-unknown";
      const isOwn = named.site === site && named.subject === subject;
      if (named.hash !== hash || !isOwn || !SIGNABLE.includes(named.kind)) return "reference-differs";
      return named.amended || named.voids ? "reference-not-in-force" : null;
    }

    judgeLink({ duplicate, kept }) {
      if (!this.subjects.has(duplicate) || !this.subjects.has(kept)) return "subject-unknown";
      const stays = duplicate !== kept && !this.links.has(duplicate) && !this.links.has(kept);
      return stays && ![...this.links.values()].includes(duplicate) ? null : "link-impossible";
    }

    judgeCut({ name, previous, records, head }) {
      if (this.cuts.has(name)) return "cut-name-repeated";
      const [latest, covered] = [...this.cuts].at(-1) ?? [undefined, 1];
      if (previous !== latest) return "cut-unknown";
      return records >= covered && this.hashes[records - 1] === head ? null : "cut-differs";
    }

    async judgeGrant({ actor, data }, signer, recordedAt) {
      if (!isPublicKey(data.public_key)) return "grant-malformed";
      const publicKey = unbase64(data.public_key);
      if (this.grants.has(await keyId(publicKey))) return "grant-key-repeated";
      if (ROLES_OF_A_SITE.includes(data.role) !== data.sites.length > 0) return "grant-malformed";
      if (!data.sites.every((site) => this.sites.has(site))) return "site-unknown";
      const { valid_from: from, valid_until: until } = data;
      if (from !== undefined && until !== undefined && until <= from) return "grant-malformed";
      const ofASite = ROLES_OF_A_SITE.includes(data.role);
      if (signer.role === "sponsor") {
        const leads = (site) =>
          [...this.grants.values()].some(
            (one) =>
              one.role === "principal_investigator" && one.sites.includes(site) && this.inForce(one, recordedAt),
          );
        const first = data.role === "principal_investigator" && !data.sites.some(leads);
        if (ofASite && !first) return "grant-not-entitled";
      } else {
        if (!ofASite || !data.sites.every((site) => signer.sites.includes(site))) return "grant-not-entitled";
        if (data.organisation !== actor.organisation) return "grant-not-entitled";
      }
      return this.possesses(publicKey, data.holder, data.public_key, data.possession);
    }

    /** A key that no person has: one for receipts, or one of the log's own. */
    async judgeRegistryKey({ data }, name) {
      const key = await verifierKey(data.verifier_key, LOG);
      if (!key || key.name !== name) return "grant-malformed";
      const id = await keyId(key.publicKey);
      if (this.grants.has(id) || this.logKeys.has(id)) return "grant-key-repeated";
      return this.possesses(key.publicKey, key.name, base64(key.publicKey), data.possession);
    }

    async possesses(publicKey, holder, text, possession) {
      const signature = unbase64(possession);
      const message = possessionMessage(this.genesis, holder, text);
      const held = signature && (await signatureHolds(publicKey, message, signature));
      return held ? null : "grant-without-possession";
    }

    judgeRevocation({ key, data }, signer) {
      // Of a key that is a person's and the log's, the revocation is the person's.
      const granted = this.grants.get(data.key);
      const revoked = granted ?? this.logKeys.get(data.key);
      if (!revoked) return "revoked-unknown";
      if (revoked.revokedAt !== undefined) return "revoked-already";
      const ofASite = ROLES_OF_A_SITE.includes(revoked.role);
      if (signer.role === "sponsor") {
        if (data.key === key) return "revokes-itself";
        const leads = revoked.role === "principal_investigator" && revoked.by === "sponsor";
        if (ofASite && !leads) return "grant-not-entitled";
        const inForce = [...this.logKeys.values()].filter((one) => one.revokedAt === undefined);
        return !granted && inForce.length === 1 ? "revokes-last-log-key" : null;
      }
      const own = ofASite && revoked.sites.every((site) => signer.sites.includes(site));
      return own ? null : "grant-not-entitled";
    }

    /** Section 9, for `amends` and for `follows`. */
    judgeCorrection(event, onlyImports, hasMoved) {
      const { amends, follows } = event;
      const named = amends ?? follows;
      if (!named) return null;
      const word = amends ? "amended" : "followed";
      const earlier = this.records[named.seq];
      if (earlier === undefined) return `${word}-unknown`;
      // Where a subject has moved, one site carries on from what the other stated.
      const isThere = (hasMoved && !amends) || earlier?.site === event.site;
      const same = earlier?.kind === event.kind && isThere && earlier.subject === event.subject;
      if (!same || earlier.hash !== named.hash) return `${word}-differs`;
      if (follows) return null;
      if (onlyImports && !earlier.imported && !earlier.voidedImport) return "import-unmarked";
      if (earlier.organisation !== event.actor.organisation) return "other-organisation";
      if (earlier.amended) return "stale-amendment";
      return amends.effect === "void" && earlier.voids ? "already-void" : null;
    }

    /** Whether an event's effect waits for its signature: who is entitled to what must not rest on one that fails. */
    static needsProof(event) {
      return !ABOUT_SUBJECTS.includes(event.kind);
    }

    /** Where the subject of an event is behind it. */
    followSubject({ kind, data, amends, site, subject: id }, position) {
      if (!this.subjects.has(id)) this.subjects.set(id, { site, moves: [] });
      const subject = this.subjects.get(id);
      const own = this.records[position];
      if (amends) {
        const amended = this.records[amends.seq];
        amended.amended = true;
        own.root = amended.root;
        // Who did not leave a site is where the move after it began, or there still.
        const place = subject.moves.findIndex(({ root }) => root === own.root);
        if (place >= 0) {
          const [{ from }] = subject.moves.splice(place, 1);
          if (place < subject.moves.length) subject.moves[place].from = from;
          else subject.site = from;
        }
      }
      if (kind === "subject_transferred" && !own.voids) {
        subject.moves.push({ root: own.root, from: subject.site });
        subject.site = data.to;
      }
    }

    /** The state behind an event; `holds` says whether nothing was found against it. */
    async follow(event, position, hash, holds) {
      const { kind, data, amends } = event;
      const voids = amends?.effect === "void";
      const { organisation, role } = event.actor;
      this.records[position] = {
        ...{ hash, kind, site: event.site, subject: event.subject, organisation, voids, amended: false },
        imported: data.import !== undefined,
        voidedImport: voids && role === "data_manager",
        root: position,
      };
      // Also by an event that was refused for it, or each later one about this subject would be found too.
      const states = !amends && kind !== "subject_transferred";
      if (event.subject !== undefined && (holds || states)) this.followSubject(event, position);
      if (!holds) return;
      if (kind === "data_cut") this.cuts.set(data.name, data.records);
      if (kind === "subjects_linked") this.links.set(data.duplicate, data.kept);
      if (kind === "site_activated") this.sites.add(event.site);
      if (kind === "key_revoked") (this.grants.get(data.key) ?? this.logKeys.get(data.key)).revokedAt = position;
      if (kind === "key_granted") {
        const publicKey = unbase64(data.public_key);
        const { holder, role: granted, sites, valid_from: from, valid_until: until } = data;
        const grant = { holder, organisation: data.organisation, role: granted, sites, from, until, publicKey };
        this.grants.set(await keyId(publicKey), { ...grant, by: role, at: position });
      }
      if (kind === "service_key_granted") {
        const key = await verifierKey(data.verifier_key, LOG);
        this.grants.set(await keyId(key.publicKey), { service: true, key, at: position, sites: [] });
      }
      if (kind === "log_key_changed") {
        const key = await verifierKey(data.verifier_key, LOG);
        this.logKeys.set(await keyId(key.publicKey), { key, at: position });
      }
    }
  }

  const makesKnown = ({ kind, data, amends }) =>
    amends?.effect !== "void" &&
    (["enrollment", "screening", "consent"].includes(kind) ||
      (kind === "disposition" && data.reason === "screen_failure"));

  // ---- Findings (section 12) ------------------------------------------------------------------------------------

  const EVIDENCE = {
    "actor-not-holder": "Actor, role or organisation are not those the signing key was granted to.",
    "admission-contradicted":
      "The event contradicts the log before it, so that no registrar may have recorded it.",
    "amendment-not-of-latest":
      "The amendment does not name the latest version of an earlier record of the same thing.",
    "bad-signature": "The signature does not verify.",
    "broken-link": "The record does not name the hash of the record before it.",
    "checkpoint-bad-signature": "A signature on the checkpoint by a known key does not hold.",
    "checkpoint-malformed": "The checkpoint is not a signed statement of a log's name, size and root.",
    "checkpoint-not-signed": "No known key of the log signed the checkpoint.",
    "checkpoint-of-another-log": "The checkpoint bears the name of another log.",
    "checkpoint-signature-missing": "A log key that was in force at the checkpoint's size did not sign it.",
    "copy-not-following":
      "The certified copy says something of itself that does not follow from its records.",
    "cut-root-differs": "The data cut's root is not that of the tree over the records it covers.",
    "entry-bundle-malformed": "A file of records is not the run of records that its path says.",
    "event-malformed": "The event is not of the form of its kind.",
    "event-of-another-log": "The event was signed for another log or another trial.",
    "file-differs": "A file of the bundle is not the one that its MANIFEST lists.",
    "file-unexpected": "There is a file that does not belong there.",
    fork: "Two checkpoints that the log signed contradict each other.",
    "genesis-differs": "The first record is not the one whose hash is known.",
    "id-repeated": "An event with this id stands in the log before.",
    "known-head-differs": "The record that ended the log at a known size is another one.",
    "log-key-differs": "The log never named the known log key.",
    "manifest-malformed": "The bundle's MANIFEST is not a list of files in its one writing.",
    "position-missing": "The record is not at the next position: one or more before it are missing.",
    "position-repeated": "The record states a position that was taken before.",
    "receipt-not-honoured": "A receipt promised a record at a position where the log has another or none.",
    "record-malformed": "The bytes are not a record.",
    "record-not-in-tree": "The record's hash is not the one that the tree has at its position.",
    "shorter-than-known": "The log holds fewer records than it is known to have held.",
    "signer-not-entitled": "The signing key was not entitled to this event when it was recorded.",
    "time-against-cosignature": "The record was recorded after a witness had seen the log with it.",
    "time-going-back": "The record was recorded before the record before it.",
    "wrong-root": "Records and tiles do not hash to the checkpoint's root.",
    "wrong-tile": "A tile does not hold the hashes that are due there.",
    "zip-malformed": "The bundle's zip is not written as a bundle is.",
  };
  const ABSENCE = {
    "authority-undecided": "Whether the signer was entitled rests on records that are not there.",
    "authority-underivable":
      "The log's opening cannot be read, so nobody's authority can be derived from it.",
    "beyond-this-version": "The event's kind or schema is not known to this version of the verifier.",
    "checkpoint-key-unknown": "No key of the log is known by which to check the checkpoint.",
    "checkpoint-missing": "There is no checkpoint.",
    "file-missing": "A file that the MANIFEST lists is not there.",
    "known-checkpoint-unusable":
      "A checkpoint brought to compare with is not signed by a known key of this log.",
    "log-empty": "There is no record to verify.",
    "manifest-missing": "The bundle has no MANIFEST.",
    "quorum-short": "Fewer witnesses cosigned the checkpoint than the policy demands.",
    "receipt-unusable":
      "A receipt brought to compare with is not signed by a key for receipts that this log grants.",
    "records-missing": "Records that the checkpoint covers are not there.",
    "tile-missing": "A tile that the checkpoint's size demands is not there.",
  };

  const OF_A_COPY = ["certificate", "proofs"];
  const CHECKS = [
    ...["zip", "files", "manifest", "checkpoint signatures", "tiles and bundles", "records in the tree", "root"],
    ...["known checkpoints", "cosignatures", ...OF_A_COPY, "record form", "positions", "links", "times"],
    ...["event form", "event ids", "authority", "signatures", "data cuts", "genesis", "log key", "known heads and receipts"],
  ];

  /** What is found and how much was looked at, as a verification goes along. */
  class Tally {
    counts = new Map(CHECKS.map((check) => [check, { count: 0, faults: 0 }]));
    findings = [];

    looked(check, count = 1) {
      this.counts.get(check).count += count;
    }

    found(check, code, place, detail = "", position = -1) {
      this.counts.get(check).faults += 1;
      const meaning = EVIDENCE[code] ?? ABSENCE[code];
      this.findings.push({ code, evidence: code in EVIDENCE, meaning, place, detail, position });
    }
  }

  // ---- Bundles: zip and MANIFEST (section 22) --------------------------------------------------------------------

  const PATH = /^(?!.{256})(?:(?!\.{1,2}(?:\/|$))[A-Za-z0-9._-]+(?:\/(?!$)|$))+$/;
  const MANIFEST_BYTES_MAX = 67108864;
  // A MANIFEST of that length lists fewer than 1,000,000 files, each with at most 46 + 255 + 12 bytes here.
  const DIRECTORY_BYTES_MAX = 313000000;
  const [SHORT_MAX, LONG_MAX] = [65535, 4294967295];

  const bytesOf = async (blob, start = 0, end = blob.size) =>
    new Uint8Array(await blob.slice(start, end).arrayBuffer());

  /** Numbers of `[bytes, value]` one after another, little-endian. */
  function numbers(...pairs) {
    const bytes = [];
    for (const [length, value] of pairs) {
      let rest = BigInt(value);
      for (let at = 0; at < length; at += 1, rest >>= 8n) bytes.push(Number(rest & 255n));
    }
    return Uint8Array.from(bytes);
  }

  const numberAt = (bytes, at, length) => Number(littleEndian(bytes.subarray(at, at + length)));

  function commonHeader(name, length, crc) {
    return numbers([2, 2048], [2, 0], [2, 0], [2, 33], [4, crc], [4, length], [4, length], [2, name.length]);
  }

  const localHeader = (name, length, crc) =>
    join(numbers([4, 0x04034b50], [2, 20]), commonHeader(name, length, crc), numbers([2, 0]), name);

  function directoryLine(name, length, crc, place) {
    const large = place >= LONG_MAX;
    return join(
      numbers([4, 0x02014b50], [2, large ? 813 : 788], [2, large ? 45 : 20]),
      commonHeader(name, length, crc),
      numbers([2, large ? 12 : 0], [2, 0], [2, 0], [2, 0], [4, 2175008768], [4, large ? LONG_MAX : place]),
      name,
      large ? numbers([2, 1], [2, 8], [8, place]) : new Uint8Array(),
    );
  }

  function endOfZip(files, length, place) {
    const large = files >= SHORT_MAX || place >= LONG_MAX || length >= LONG_MAX;
    const [count, size, start] = [Math.min(files, SHORT_MAX), Math.min(length, LONG_MAX), Math.min(place, LONG_MAX)];
    const end = numbers([4, 0x06054b50], [4, 0], [2, count], [2, count], [4, size], [4, start], [2, 0]);
    if (!large) return end;
    return join(
      numbers([4, 0x06064b50], [8, 44], [2, 813], [2, 45], [8, 0], [8, files], [8, files], [8, length], [8, place]),
      numbers([4, 0x07064b50], [4, 0], [8, place + length], [4, 1]),
      end,
    );
  }

  class NotAZip extends Error {}

  /** The files of a zip by path, each `{ blob, crc }`. What cannot be read on is thrown. */
  async function unzip(blob, tally) {
    const malformed = (place, why) => tally.found("zip", "zip-malformed", place, why);
    const tail = await bytesOf(blob, Math.max(0, blob.size - 98));
    const end = tail.length - 22;
    if (end < 0 || numberAt(tail, end, 4) !== 0x06054b50) throw new NotAZip("it does not end as a zip does");
    let count = numberAt(tail, end + 8, 2);
    let [length, place] = [end + 12, end + 16].map((at) => numberAt(tail, at, 4));
    if ((count === SHORT_MAX || length === LONG_MAX || place === LONG_MAX) && end === 76) {
      [count, length, place] = [24, 40, 48].map((at) => numberAt(tail, at, 8));
    }
    const due = endOfZip(count, length, place);
    if (place + length + due.length !== blob.size || length > DIRECTORY_BYTES_MAX) {
      throw new NotAZip("its directory is not where it says");
    }
    const ends = tail.subarray(tail.length - due.length);
    if (!equal(due, ends)) malformed("(end)", "the end is not written as it is due");
    const directory = await bytesOf(blob, place, place + length);
    const files = new Map();
    let [at, next, last] = [0, 0, ""];
    for (let number = 0; number < count; number += 1) {
      const nameLength = at + 46 <= length ? numberAt(directory, at + 28, 2) : LONG_MAX;
      const extra = at + 46 <= length ? numberAt(directory, at + 30, 2) : LONG_MAX;
      if (at + 46 + nameLength + extra > length) throw new NotAZip("its directory is cut off");
      const name = directory.subarray(at + 46, at + 46 + nameLength);
      const path = decode(name) ?? "";
      const [crc, size] = [numberAt(directory, at + 16, 4), numberAt(directory, at + 20, 4)];
      const line = directoryLine(name, size, crc, next);
      const shown = PATH.test(path) ? path : `(file ${number})`;
      if (!PATH.test(path)) malformed(shown, "its path is none of a bundle");
      if (!equal(line, directory.subarray(at, at + line.length))) malformed(shown, "its line in the directory");
      const data = next + 30 + nameLength;
      if (data + size > place) throw new NotAZip(`${shown} reaches beyond the data`);
      const header = await bytesOf(blob, next, data);
      if (!equal(header, localHeader(name, size, crc))) malformed(shown, "its local header");
      const ordered = number === 0 || (path !== "MANIFEST" && (last === "MANIFEST" || last < path));
      if (files.has(path) || !ordered) malformed(shown, "it stands twice or out of order");
      if (PATH.test(path) && !files.has(path)) files.set(path, { blob: blob.slice(data, data + size), crc });
      [at, next, last] = [at + 46 + nameLength + extra, data + size, path];
      if (size > LONG_MAX - 1) malformed(shown, "it is too long");
    }
    if (at !== length || next !== place) malformed("(directory)", "something stands between or behind the files");
    tally.looked("zip", count);
    return files;
  }

  /** The lines of a MANIFEST by path; null if it is not in its one writing. */
  function manifest(bytes) {
    const text = bytes.length <= MANIFEST_BYTES_MAX ? decode(bytes) : null;
    if (text === null || (text !== "" && !text.endsWith("\n"))) return null;
    const lines = new Map();
    let last = "";
    for (const line of text.split("\n").slice(0, -1)) {
      const found = /^([0-9a-f]{64}) (0|[1-9][0-9]{0,15}) (.+)$/.exec(line);
      if (!found || !PATH.test(found[3]) || found[3] === "MANIFEST" || found[3] <= last) return null;
      last = found[3];
      lines.set(last, { hash: found[1], length: Number(found[2]) });
    }
    return lines;
  }

  const PLACES_IN_A_BUNDLE = /^(MANIFEST|README\.html|(keys|log|reports)\/.+)$/;
  const CERTIFICATE = "certificate.json";
  const PLACES_IN_A_COPY =
    /^(MANIFEST|README\.html|certificate\.json|delegation\.html|(casebooks|keys|log|proofs)\/.+)$/;

  /** Holds every file of a bundle or copy against its checksum and the MANIFEST, whose lines it answers, if any. */
  async function checkFiles(files, places, tally, progress) {
    let lines = null;
    if (!files.has("MANIFEST")) {
      tally.found("manifest", "manifest-missing", "MANIFEST");
    } else {
      const { blob } = files.get("MANIFEST");
      lines = blob.size <= MANIFEST_BYTES_MAX ? manifest(await bytesOf(blob)) : null;
      if (!lines) tally.found("manifest", "manifest-malformed", "MANIFEST");
    }
    let done = 0;
    for (const [path, { blob, crc }] of files) {
      progress("files", (done += 1), files.size);
      tally.looked("files");
      if (!places.test(path)) tally.found("files", "file-unexpected", path, "a bundle has no such place");
      const line = path === "MANIFEST" ? undefined : lines?.get(path);
      if (line) tally.looked("manifest");
      else if (lines && path !== "MANIFEST") {
        tally.found("manifest", "file-unexpected", path, "the MANIFEST does not list it");
      }
      // A file of another length is not read: whatever is in it, it is not the one.
      if (line && line.length !== blob.size) {
        const said = `has the length ${blob.size}; the MANIFEST says ${line.length}`;
        tally.found("manifest", "file-differs", path, said);
      }
      if (crc === undefined && line?.length !== blob.size) continue;
      const bytes = await bytesOf(blob);
      if (crc !== undefined && crc32(bytes) !== crc) {
        tally.found("zip", "zip-malformed", path, "its data have another checksum than its header says");
      }
      if (line?.length !== blob.size) continue;
      const hash = hex(await sha256(bytes));
      if (hash !== line.hash) {
        const said = `the MANIFEST says ${line.hash} ${line.length}`;
        tally.found("manifest", "file-differs", path, `has the SHA-256 and length ${hash} ${bytes.length}; ${said}`);
      }
    }
    for (const path of lines?.keys() ?? []) {
      if (!files.has(path)) tally.found("manifest", "file-missing", path);
    }
    return lines;
  }

  // ---- The archive (section 21) ---------------------------------------------------------------------------------

  const ENTRIES_BYTES_MAX = 65537;

  class Archive {
    /** `files`: blobs by the archive's own paths; `prefix`: what findings put before these. */
    constructor(files, prefix, inBundle, tally) {
      Object.assign(this, { files, prefix, inBundle, tally });
      this.widths = new Map();
      this.used = new Set();
      for (const path of files.keys()) {
        const tile = tilePath(path);
        if (!tile) {
          const other = path === "checkpoint" || /#\d+$/.test(path);
          if (!other) tally.found("tiles and bundles", "file-unexpected", prefix + path, "no log has such a file");
          continue;
        }
        const name = `${tile.level}/${tile.index}`;
        this.widths.set(name, [...(this.widths.get(name) ?? []), tile.width].sort((a, b) => a - b));
      }
    }

    /** How many tiles of 256 leaves are looked for: as far as files reach, unless one alone pretends to be far away. */
    get reach() {
      const indices = [...this.widths.keys()].map((name) => name.split("/"));
      const low = indices.filter(([level]) => level === "0" || level === "entries");
      const most = low.reduce((last, [, index]) => Math.max(last, Number(index) + 1), 0);
      return Math.min(most, 1024 + 4 * low.length);
    }

    /** Where a file with at least `width` stands, the narrowest of them; null if there is none. */
    pathOf(level, index, width) {
      const found = this.widths.get(`${level}/${index}`)?.find((one) => one >= width);
      return found === undefined ? null : pathOfTile(level, index, found);
    }

    /** The bytes of the record at position 0; null if it is not there. */
    async firstRecord() {
      const path = this.pathOf("entries", 0, 1);
      if (path === null) return null;
      return entries(await bytesOf(this.files.get(path), 0, ENTRIES_BYTES_MAX), 1).records[0] ?? null;
    }

    /** What the tile of level 1 has for a full tile of level 0; null if it has nothing. */
    async hashAbove(index) {
      const at = index % 256;
      const path = this.pathOf(1, Math.floor(index / 256), at + 1);
      const hash = path === null ? [] : await bytesOf(this.files.get(path), 32 * at, 32 * at + 32);
      return hash.length === 32 ? hash : null;
    }

    /** The narrowest file at this place with at least `width`, as `{ path, blob, width }`; null if there is none. */
    file(level, index, width) {
      const path = this.pathOf(level, index, width);
      if (path === null) return null;
      this.used.add(path);
      return { path, blob: this.files.get(path), width: tilePath(path).width };
    }

    /** The first `width` hashes of a tile; null if it is not there or of another length than it must be. */
    async tile(level, index, width) {
      const file = this.file(level, index, width);
      if (!file) return null;
      this.tally.looked("tiles and bundles");
      if (file.blob.size !== 32 * file.width) {
        const due = `has ${file.blob.size} bytes, not ${32 * file.width}`;
        this.tally.found("tiles and bundles", "wrong-tile", this.prefix + file.path, due);
        return undefined;
      }
      return (await bytesOf(file.blob)).subarray(0, 32 * width);
    }

    /** `{ path, records }` of a bundle, of which `width` are due; a record that is not there is null. */
    async bundle(index, width) {
      const file = this.file("entries", index, width);
      if (!file) {
        const path = pathOfTile("entries", index, width);
        return { path, records: Array(width).fill(null), readable: width, absent: true };
      }
      this.tally.looked("tiles and bundles");
      const { records, whole } = await this.entries(file);
      const due = Array.from({ length: width }, (_, at) => records[at] ?? null);
      // Of a malformed one nobody knows what its end should be: one finding says so.
      return { path: file.path, records: due, readable: whole ? width : records.length };
    }

    async entries(file) {
      const malformed = (why) =>
        this.tally.found("tiles and bundles", "entry-bundle-malformed", this.prefix + file.path, why);
      if (file.blob.size > ENTRIES_BYTES_MAX * file.width) {
        malformed("it is longer than so many records can be");
        return { records: [], whole: false };
      }
      const { records, whole } = entries(await bytesOf(file.blob), file.width);
      if (!whole) malformed(`its lengths do not lead over ${file.width} records to its end`);
      return { records: records.map((record) => (record.length === 0 ? null : record)), whole };
    }
  }

  /** The checkpoint found, `{ bytes, signed, parsed }`: read, and by nobody's word yet; null if there is none. */
  async function readCheckpoint(archive, place, tally) {
    const check = "checkpoint signatures";
    const blob = archive.files.get("checkpoint");
    if (!blob) {
      tally.found(check, "checkpoint-missing", place);
      return null;
    }
    const bytes = blob.size <= NOTE_BYTES_MAX ? await bytesOf(blob) : null;
    const read = bytes && signedCheckpoint(bytes);
    if (!read) tally.found(check, "checkpoint-malformed", place);
    return read && { bytes, ...read };
  }

  /** A signed checkpoint's `{ signed, parsed }`; null if the bytes are none. */
  function signedCheckpoint(bytes) {
    const signed = note(bytes);
    const parsed = signed && checkpointText(signed.text);
    return parsed && { signed, parsed };
  }

  const keysBrought = ({ key, policy }) => (key ? [key] : policy?.logs ?? []);

  /** When known witnesses saw which sizes of the log: no record below may be later. */
  async function timesSeen(checkpoints, name, witnesses) {
    const times = [];
    for (const { signed, parsed } of checkpoints.filter((one) => one?.parsed.origin === name)) {
      const { held } = await signers(signed, witnesses);
      for (const { time } of held ?? []) {
        times.push({ size: Number(parsed.size), latest: (time + 60n) * 1000000n, time });
      }
    }
    return times;
  }

  /** Whose word counts for a checkpoint: the log's keys that are known once its records are read, and the witnesses. */
  class Trust {
    constructor(anchors, openings, log) {
      const brought = keysBrought(anchors);
      this.named = log.keysNamed(brought);
      this.logs = this.named?.map(({ key }) => key) ?? (brought.length > 0 ? brought : openings);
      this.witnesses = anchors.policy?.witnesses ?? [];
    }

    /**
     * Who signed: `{ by, cosigned, lacking, isSigned }`, `lacking` being the log keys that had to and have not. Instead of
     * it, `{ strange }` if the checkpoint is of another log, `{ failed }` for the key whose signature does not hold.
     */
    async judge({ signed, parsed }) {
      const own = this.logs.filter((key) => key.name === parsed.origin);
      if (own.length === 0) return { strange: true };
      const { held, failed } = await signers(signed, [...own, ...this.witnesses]);
      if (failed) return { failed };
      const by = [...new Set(held.map(({ key }) => key).filter((key) => key.type === LOG))];
      const due = this.named ? keysInForce(this.named, Number(parsed.size)) : by;
      const lacking = due.filter((key) => !by.some(({ text }) => text === key.text));
      return {
        ...{ by, lacking, cosigned: held.filter(({ key }) => key.type === WITNESS) },
        isSigned: due.length > lacking.length,
      };
    }
  }

  /** Says what of the signatures on the checkpoint found does not hold; answers who signed, as far as it holds. */
  async function judgeCheckpoint(checkpoint, place, trust, anchors, absent, tally) {
    const found = (code, detail = "") => tally.found("checkpoint signatures", code, place, detail);
    const nobody = { by: [], cosigned: [], isSigned: false };
    if (trust.logs.length === 0) {
      found("checkpoint-key-unknown");
      return nobody;
    }
    const { strange, failed, by, cosigned, lacking, isSigned } = await trust.judge(checkpoint);
    if (strange) found("checkpoint-of-another-log", `it is of ${checkpoint.parsed.origin}, not ${trust.logs[0].name}`);
    if (failed) found("checkpoint-bad-signature", `the signature of ${failed.text} does not hold`);
    if (strange || failed) return nobody;
    tally.looked("checkpoint signatures", by.length + cosigned.length);
    if (by.length === 0) {
      found("checkpoint-not-signed");
      return nobody;
    }
    for (const { text } of lacking) {
      const said = `${text} has not signed, which at a size of ${checkpoint.parsed.size} had to`;
      found(absent ? "authority-undecided" : "checkpoint-signature-missing", said);
    }
    if (anchors.policy) {
      tally.looked("cosignatures", cosigned.length);
      if (!anchors.policy.met(cosigned.map(({ key }) => key))) {
        tally.found("cosignatures", "quorum-short", place, `${cosigned.length} of the policy's witnesses`);
      }
    }
    return { by, cosigned, isSigned };
  }

  /** Of the checkpoints known from elsewhere, `{ signed, parsed, place }`, those that are this log's. */
  async function usableCheckpoints(known, trust, tally) {
    const usable = [];
    for (const [at, checkpoint] of known.entries()) {
      const place = `known checkpoint ${at + 1}`;
      tally.looked("known checkpoints");
      const { isSigned } = checkpoint ? await trust.judge(checkpoint) : {};
      if (isSigned) usable.push({ ...checkpoint, place });
      else tally.found("known checkpoints", "known-checkpoint-unusable", place);
    }
    return usable;
  }

  const pause = () => new Promise((resolve) => setTimeout(resolve));

  /**
   * Holds records, tiles and root of an archive against one another; answers the facts to show. Of a certified copy,
   * `partOf` answers, by the checkpoint, what holds its own statements against the records.
   */
  async function checkArchive(archive, anchors, partOf, tally, progress) {
    const openings = await logKeysOf(await archive.firstRecord(), anchors.genesis);
    const placeOfCheckpoint = `${archive.prefix}checkpoint`;
    const checkpoint = await readCheckpoint(archive, placeOfCheckpoint, tally);
    const brought = anchors.checkpoints.map((text) => signedCheckpoint(encode(text)));
    const part = await partOf?.(checkpoint);
    const reach = archive.reach;
    const size = checkpoint ? Number(checkpoint.parsed.size) : sizeByFiles(archive);
    const held = Math.min(size, 256 * reach);
    const name = [...keysBrought(anchors), ...openings][0]?.name;
    const bounds = await timesSeen([checkpoint, ...brought], name, anchors.policy?.witnesses ?? []);
    const log = new Log(anchors, bounds, part, tally);
    const levels = [new Uint8Array(32 * held)];
    const above = [];
    // Tiles of level 0 of which some hashes are nowhere.
    const holed = new Set();
    let [disputed, unknown] = [null, held < size];
    for (let index = 0; 256 * index < held; index += 1) {
      const width = Math.min(256, held - 256 * index);
      const { path, records, readable, absent } = await archive.bundle(index, width);
      const place = archive.prefix + path;
      const hashes = await Promise.all(records.map((record) => record && leafHash(record)));
      const tile = await archive.tile(0, index, width);
      const placeOfTile = archive.prefix + pathOfTile(0, index, width);
      if (tile === null) tally.found("tiles and bundles", "tile-missing", placeOfTile);
      const leaves = tile ? Uint8Array.from(tile) : new Uint8Array(32 * width);
      const differing = [];
      for (const [at, hash] of hashes.entries()) {
        if (hash) tally.looked("records in the tree");
        if (hash && !tile) leaves.set(hash, 32 * at);
        if (hash && tile && !equal(hash, hashAt(tile, at))) differing.push(at);
      }
      const holes = !tile && hashes.includes(null);
      if (holes) holed.add(index);
      // Whose hash is in the tree, a copy leaves out; without it nobody could say which record it was.
      if (part && tile && !absent) log.leftOut += records.slice(0, readable).filter((record) => !record).length;
      else reportAbsent(records.slice(0, readable), 256 * index, place, absent, tally);
      if (width === 256) {
        const due = await archive.hashAbove(index);
        let made = await fullTileHash(leaves);
        if (differing.length > 0) {
          const instead = Uint8Array.from(leaves);
          for (const at of differing) instead.set(hashes[at], 32 * at);
          const other = await fullTileHash(instead);
          if (due && equal(other, due)) {
            tally.found("tiles and bundles", "wrong-tile", placeOfTile, counted(differing));
            leaves.set(instead);
            made = other;
          } else {
            notInTree(differing, hashes, leaves, 256 * index, place, tally);
          }
        }
        above.push(holes && due ? due : made);
        unknown ||= holes && !due;
      } else {
        unknown ||= holes;
        if (differing.length > 0) disputed = { differing, hashes, index, width, place };
      }
      levels[0].set(leaves, 256 * index * 32);
      await log.records(records, hashes, tile ? leaves : null, 256 * index);
      progress("records", 256 * index + width, held);
      await pause();
    }
    if (held < size) {
      const range = `each of records ${held} to ${size - 1} is not there`;
      tally.found("records in the tree", "records-missing", `record ${held}`, range, held);
      const placeOfTile = archive.prefix + pathOfTile(0, reach, 256);
      tally.found("tiles and bundles", "tile-missing", placeOfTile, "and those after it");
    }
    await checkLevels(archive, levels, above, held, tally);
    const root = unknown || !checkpoint ? null : await settle(levels, held, disputed, checkpoint, archive, tally);
    if (!root && disputed) {
      const { differing, hashes, index, place } = disputed;
      notInTree(differing, hashes, levels[0].subarray(256 * index * 32), 256 * index, place, tally);
    }
    if (root) {
      tally.looked("root");
      if (!equal(root, checkpoint.parsed.root)) {
        const said = `${hex(root)} is made of the tree, ${hex(checkpoint.parsed.root)} is signed`;
        tally.found("root", "wrong-root", placeOfCheckpoint, said);
      }
    }
    await checkCopies(archive, levels, holed, unknown, tally);
    // Which keys had to sign, only the records say.
    const trust = new Trust(anchors, openings, log);
    const judged =
      checkpoint && (await judgeCheckpoint(checkpoint, placeOfCheckpoint, trust, anchors, log.absent, tally));
    for (const { parsed, place } of await usableCheckpoints(brought, trust, tally)) {
      const earlier = Number(parsed.size);
      if (earlier > size) {
        tally.found("known checkpoints", "shorter-than-known", place, `it has ${earlier} records, these are ${size}`);
      } else if (earlier <= held && !unknown) {
        const then = await rootAt(levels, earlier);
        if (equal(then, parsed.root)) continue;
        const both = judged?.isSigned && root && equal(root, checkpoint.parsed.root);
        const said = `of ${earlier} records under ${hex(parsed.root)}; here they are under ${hex(then)}`;
        tally.found("known checkpoints", both ? "fork" : "wrong-root", place, said);
      }
    }
    await log.end(size);
    await part?.end(log);
    return { checkpoint: checkpoint && { ...checkpoint, ...judged }, log, part, size };
  }

  const counted = (list) => `${list.length} of its hashes ${list.length === 1 ? "is" : "are"} not the record's`;

  /** The log key in the opening, if that is the known one or none is known; a list of one or none. */
  async function logKeysOf(bytes, genesis) {
    if (!bytes || (genesis !== null && hex(await leafHash(bytes)) !== genesis)) return [];
    try {
      const { event } = canonical(bytes).value;
      const key = await verifierKey(event.data.log_key, LOG);
      return key ? [key] : [];
    } catch {
      return [];
    }
  }

  function sizeByFiles(archive) {
    let size = 0;
    for (const [name, widths] of archive.widths) {
      const [level, index] = name.split("/");
      if (level === "entries" || level === "0") size = Math.max(size, 256 * Number(index) + widths.at(-1));
    }
    return size;
  }

  function reportAbsent(records, start, place, absent, tally) {
    for (let at = 0; at < records.length; at += 1) {
      if (records[at]) continue;
      let end = at;
      while (end + 1 < records.length && !records[end + 1]) end += 1;
      const range = end > at ? `each of records ${start + at} to ${start + end} is not there` : "";
      const where = absent ? place : `${place}, left out`;
      tally.found("records in the tree", "records-missing", `record ${start + at} (${where})`, range, start + at);
      at = end;
    }
  }

  function notInTree(differing, hashes, leaves, start, place, tally) {
    for (const at of differing) {
      const said = `has hash ${hex(hashes[at])}; the tree has ${hex(hashAt(leaves, at))} there`;
      tally.found("records in the tree", "record-not-in-tree", `record ${start + at} (${place})`, said, start + at);
    }
  }

  /** Makes the levels above the leaves anew and holds the tiles against them. */
  async function checkLevels(archive, levels, above, size, tally) {
    for (let level = 1; above.length > 0; level += 1) {
      const made = join(...above);
      levels.push(made);
      const next = [];
      for (let index = 0; 256 * index < above.length; index += 1) {
        const width = Math.min(256, above.length - 256 * index);
        const due = made.subarray(32 * 256 * index, 32 * (256 * index + width));
        const tile = await archive.tile(level, index, width);
        const place = archive.prefix + pathOfTile(level, index, width);
        if (tile === null) tally.found("tiles and bundles", "tile-missing", place);
        if (tile && !equal(tile, due)) {
          tally.found("tiles and bundles", "wrong-tile", place, "its hashes are not those of the tiles below it");
        }
        if (width === 256) next.push(await fullTileHash(due));
      }
      above = next;
    }
  }

  /** The root; where the last, partial tile is disputed, the root says whether tile or records are wrong. */
  async function settle(levels, size, disputed, checkpoint, archive, tally) {
    const root = await rootAt(levels, size);
    if (!disputed) return root;
    const { differing, hashes, index, width, place } = disputed;
    const leaves = levels[0].subarray(256 * index * 32);
    const kept = Uint8Array.from(leaves);
    for (const at of differing) leaves.set(hashes[at], 32 * at);
    const instead = await rootAt(levels, size);
    if (equal(instead, checkpoint.parsed.root)) {
      const placeOfTile = archive.prefix + pathOfTile(0, index, width);
      tally.found("tiles and bundles", "wrong-tile", placeOfTile, counted(differing));
      return instead;
    }
    leaves.set(kept);
    notInTree(differing, hashes, leaves, 256 * index, place, tally);
    return root;
  }

  /** Files within the tree that nothing has asked for, such as superseded partial tiles, where the tree is known. */
  async function checkCopies(archive, levels, holed, unknown, tally) {
    for (const [path, blob] of archive.files) {
      const tile = tilePath(path);
      if (!tile || archive.used.has(path)) continue;
      const level = tile.level === "entries" ? 0 : tile.level;
      const hashes = levels[level] ?? new Uint8Array();
      const start = Number(tile.index) * 256;
      const width = Math.min(tile.width, hashes.length / 32 - start);
      const place = archive.prefix + path;
      if (width <= 0) {
        // A writer's own archive may be ahead of its checkpoint, a bundle is not.
        if (archive.inBundle) tally.found("tiles and bundles", "file-unexpected", place, "it is beyond the checkpoint");
        continue;
      }
      if (level === 0 ? holed.has(Number(tile.index)) : unknown) continue;
      const due = hashes.subarray(32 * start, 32 * (start + width));
      tally.looked("tiles and bundles");
      if (tile.level === "entries") {
        const records = (await archive.entries({ path, blob, width: tile.width })).records.slice(0, width);
        const own = await Promise.all(records.map((record) => record && leafHash(record)));
        const differing = [...own.keys()].filter((at) => own[at] && !equal(own[at], hashAt(due, at)));
        notInTree(differing, own, due, start, place, tally);
      } else if (blob.size !== 32 * tile.width) {
        tally.found("tiles and bundles", "wrong-tile", place, `has ${blob.size} bytes, not ${32 * tile.width}`);
      } else if (!equal((await bytesOf(blob)).subarray(0, 32 * width), due)) {
        tally.found("tiles and bundles", "wrong-tile", place, "it differs from the tree");
      }
    }
  }

  // ---- Records, one after another (section 15) ------------------------------------------------------------------

  const RECORD_BYTES_MAX = 65535;
  const RECORD = members({
    "event!": is(isObject),
    "prev!": HASH,
    "recorded_at!": INSTANT,
    "seq!": COUNT,
    "signature!": is(isBase64(64)),
  });

  class Log {
    /** Hashes of the records that receipts are about, by position; null of one of which nothing is known. */
    promised = new Map();
    head = "0".repeat(64);
    last = null;
    genesis = null;
    count = 0;
    bytes = 0;
    /** How many records a certified copy leaves out. */
    leftOut = 0;
    absent = false;
    open = false;
    underivable = false;
    ids = new Map();
    treeAtCut = { size: 0, stack: [] };
    authority = new Authority();
    pending = [];

    constructor(anchors, bounds, part, tally) {
      Object.assign(this, { anchors, bounds, part, tally });
      this.tally.looked("known heads and receipts", anchors.heads.length + anchors.receipts.length);
    }

    /** Takes the records of one bundle; `leaves` are the tree's hashes of the same places, null if it has none. */
    async records(records, hashes, leaves, start) {
      for (const [at, bytes] of records.entries()) {
        const known = hashes[at] ?? (leaves && hashAt(leaves, at));
        // Of a record that is neither here nor in the tree, nobody can say which it was.
        const hash = known && hex(known);
        this.hold(start + at, hash, Boolean(bytes));
        if (bytes) await this.record(bytes, hash, start + at);
        this.absent ||= !bytes;
        this.head = hash;
        this.authority.hashes.push(hash);
      }
      await Promise.all(this.pending);
      this.pending = [];
    }

    /** Step 5: what is known from outside of the record at this position. */
    hold(position, hash, there) {
      const place = `record ${position}`;
      const said = (due) => `has hash ${hash}; ${due} is known`;
      if (position === 0) this.genesis = hash;
      if (position === 0 && hash !== null && this.anchors.genesis !== null) {
        this.tally.looked("genesis");
        if (hash !== this.anchors.genesis) {
          this.tally.found("genesis", "genesis-differs", place, said(this.anchors.genesis), position);
        }
      }
      const check = "known heads and receipts";
      for (const head of this.anchors.heads.filter((one) => one.size === position + 1)) {
        if (hash === null || head.hash === hash) continue;
        this.tally.found(check, "known-head-differs", place, said(head.hash), position);
      }
      if (this.anchors.receipts.some((one) => one.seq === position)) this.promised.set(position, hash);
      if (there) this.count += 1;
    }

    async record(bytes, hash, position) {
      const place = `record ${position}`;
      const found = (check, code, pointer, detail = "") =>
        this.tally.found(check, code, place + pointer, detail, position);
      this.bytes += bytes.length;
      this.tally.looked("record form");
      this.authority.records[position] = null;
      let read;
      try {
        if (bytes.length > RECORD_BYTES_MAX) throw new NotCanonical("too long");
        read = canonical(bytes);
      } catch (error) {
        if (!(error instanceof NotCanonical)) throw error;
        found("record form", "record-malformed", "", error.message);
        return;
      }
      const fault = RECORD(read.value);
      if (fault !== null) {
        found("record form", "record-malformed", ` ${fault}`, "");
        return;
      }
      const { event, prev, recorded_at: recordedAt, seq } = read.value;
      this.tally.looked("positions");
      if (seq > position) found("positions", "position-missing", " /seq", `says ${seq}`);
      if (seq < position) found("positions", "position-repeated", " /seq", `says ${seq}`);
      if (this.head !== null) this.tally.looked("links");
      if (this.head !== null && prev !== this.head) {
        found("links", "broken-link", " /prev", `names ${prev}; the record before it has hash ${this.head}`);
      }
      if (this.last !== null) {
        this.tally.looked("times");
        // Instants have one writing, of one length: their texts are ordered as they are.
        const goesBack = recordedAt < this.last;
        if (goesBack) found("times", "time-going-back", " /recorded_at", `${recordedAt} after ${this.last}`);
      }
      this.last = recordedAt;
      const late = this.bounds.find((bound) => position < bound.size && instant(recordedAt) > bound.latest);
      if (late) found("cosignatures", "time-against-cosignature", " /recorded_at", `cosigned at second ${late.time}`);
      this.tally.looked("event form");
      this.tally.looked("event ids");
      if (isEventId(event.id)) {
        const before = this.ids.get(event.id);
        if (before === undefined) this.ids.set(event.id, position);
        else found("event ids", "id-repeated", " /event/id", `stands in record ${before}`);
      }
      const bytesOfEvent = encode(read.text.slice(...read.spans.event));
      const formFault = eventFault(event, bytesOfEvent.length);
      if (formFault) {
        found("event form", formFault[0], ` /event${formFault[1]}`, "");
        if (formFault[0] === "beyond-this-version") {
          this.later(event, bytesOfEvent, unbase64(read.value.signature), found);
        }
        return;
      }
      await this.part?.record(event, hash, position);
      await this.event(event, bytesOfEvent, unbase64(read.value.signature), recordedAt, hash, position, found);
    }

    /** The signature of an event of a later version: whatever that says, the key it names has signed it. */
    later(event, bytes, signature, found) {
      const key = this.open && this.authority.signer(event)?.publicKey;
      if (key) this.pending.push(this.signed(key, bytes, signature, found));
    }

    /** Whether an event's signature is the key's. */
    async signed(key, bytes, signature, found) {
      this.tally.looked("signatures");
      const holds = await signatureHolds(key, eventMessage(bytes), signature);
      if (!holds) {
        const said = "the signature is not that of the named key over these bytes";
        found("signatures", "bad-signature", " /signature", said);
      }
      return holds;
    }

    /** Step 9: holds the root that a data cut states against the hashes of the records that it covers, if all are known. */
    async cut({ records, root }, found) {
      // A cut covers no fewer records than the one before: the tree at that one grows to this one's.
      while (this.treeAtCut.size < records) {
        const hash = this.authority.hashes[this.treeAtCut.size];
        if (!hash) return;
        await grow(this.treeAtCut.stack, 1, unhex(hash));
        this.treeAtCut.size += 1;
      }
      this.tally.looked("data cuts");
      const made = hex(await rootOf(this.treeAtCut.stack));
      if (made !== root) found("data cuts", "cut-root-differs", " /event/data/root", `it is ${made} over ${records}`);
    }

    /** Steps 7 to 11: authority, signature, cut, effect. */
    async event(event, bytes, signature, recordedAt, hash, position, found) {
      const { authority } = this;
      let refused;
      if (position === 0) {
        refused = await authority.open(event, hash);
        this.open = authority.genesis !== null;
      } else if (this.open) {
        refused = await authority.judge(event, recordedAt);
      } else {
        if (!this.underivable) found("authority", "authority-underivable", "", "and of every record behind it");
        this.underivable = true;
        return;
      }
      this.tally.looked("authority");
      if (this.absent && MAY_REST_ON_ABSENT.includes(refused)) {
        found("authority", "authority-undecided", " /event", refused);
      } else if (refused) {
        const check = refused === "grant-without-possession" ? "signatures" : "authority";
        const pointer = check === "signatures" ? " /event/data/possession" : " /event";
        found(check, FINDING_OF[refused], pointer, refused);
      }
      const key = authority.signer(event)?.publicKey;
      const checked = () => this.signed(key, bytes, signature, found);
      if (key && !Authority.needsProof(event)) {
        this.pending.push(checked());
        await authority.follow(event, position, hash, !refused);
        return;
      }
      const holds = key ? await checked() : false;
      if (event.kind === "data_cut" && holds && !refused) await this.cut(event.data, found);
      if (position > 0 || this.open) await authority.follow(event, position, hash, holds && !refused);
    }

    /** What can be said only once all records were read. */
    async end(size) {
      const check = "known heads and receipts";
      if (size === 0) {
        const code = this.anchors.genesis === null ? "log-empty" : "shorter-than-known";
        this.tally.found("genesis", code, "log", "it has no record");
      }
      for (const head of this.anchors.heads.filter((one) => one.size > size)) {
        this.tally.found(check, "shorter-than-known", `known head ${head.size}`, `these are ${size} records`);
      }
      // The record that names the known key may be one that is not there.
      const { key } = this.anchors;
      const named = [...this.authority.logKeys.values()];
      const isNamed = named.some((one) => one.key.text === key?.text);
      if (key && this.open && (isNamed || !this.absent)) {
        this.tally.looked("log key");
        if (!isNamed) {
          const said = named.length > 0 ? `names ${named[0].key.text}, and no later record names ${key.text}` : "";
          this.tally.found("log key", "log-key-differs", "record 0 /event/data/log_key", said, 0);
        }
      }
      for (const receipt of this.anchors.receipts) {
        const [seq, place] = [receipt.seq, `record ${receipt.seq}`];
        const there = this.promised.get(seq);
        const fault = receipt.note === undefined ? null : await this.noteFault(receipt);
        if (fault !== null) {
          this.tally.found(check, "receipt-unusable", place, fault, seq);
        } else if (there !== null && there !== receipt.hash) {
          const has = there === undefined ? `these are ${size} records` : `has hash ${there}`;
          this.tally.found(check, "receipt-not-honoured", place, `${has}; ${receipt.hash} is promised`, seq);
        }
      }
    }

    /** The log keys that the records name, if they are those of the log that is known (section 21); else null. */
    keysNamed(brought) {
      const named = [...this.authority.logKeys.values()];
      const isKnown = this.anchors.genesis === null || this.anchors.genesis === this.genesis;
      const isNamed = (text) => named.some(({ key }) => key.text === text);
      const isAnchored = brought.length === 0 || brought.some(({ text }) => isNamed(text));
      return named.length > 0 && isKnown && isAnchored ? named : null;
    }

    /** Why a receipt's note is no promise of this log, or null (sections 15 and 19). */
    async noteFault({ seq, hash, note: text, path = [] }) {
      const signed = note(encode(text));
      const promise = signed && receiptText(signed.text);
      if (!promise) return "its note is none";
      if (promise.origin !== this.authority.origin) return `its note is of ${promise.origin}`;
      const grants = [...this.authority.grants.values()].filter(({ service }) => service);
      const binding = grants.filter(({ revokedAt }) => revokedAt === undefined || seq <= revokedAt);
      const { held } = await signers(signed, binding.map(({ key }) => key));
      if (!held?.length) return "no key for receipts that the log grants has signed it";
      const { first, count, root } = promise;
      const leads = seq >= first && (await included(unhex(hash), seq - first, count, path.map(unhex), root));
      return leads ? null : "its path does not lead to its note";
    }
  }

  // ---- Certified copies (section 23) ----------------------------------------------------------------------------

  const CERTIFICATE_BYTES_MAX = 16384;
  // A path of at most 64 hashes, and a checkpoint.
  const PROOF_BYTES_MAX = 2 * NOTE_BYTES_MAX;
  const CERTIFICATE_SHAPE = members({
    certified_by: members({
      "actor!": members({ "id!": ACTOR, "organisation!": TEXT, "role!": ROLE }),
      "key!": HASH,
      "signature!": TEXT,
    }),
    "copy!": members({
      "contents!": HASH,
      "genesis!": HASH,
      "made_at!": INSTANT,
      "origin!": TEXT,
      "records_of_site!": COUNT,
      "records_of_trial!": COUNT,
      "root!": HASH,
      "site!": SITE,
      "size!": COUNT,
      "subjects!": COUNT,
      "texts!": oneOf("sealed", "opened"),
      "trial!": is(isTrial),
    }),
  });

  /** What a copy says of itself, held against its records as they are read. */
  class Part {
    certificate = null;
    /** Proofs that are there and not yet looked for, by their paths. */
    proofs = new Map();
    ofSite = 0;
    ofTrial = 0;
    subjects = new Set();
    /** Whether the signature of whoever certifies the copy holds; null without one. */
    signatureHolds = null;

    /** Of a copy's `files`, the `lines` of its MANIFEST, or null, and its checkpoint, or null. */
    static async of(files, lines, checkpoint, tally) {
      const part = Object.assign(new Part(), { files, lines, checkpoint, tally });
      const { blob } = files.get(CERTIFICATE);
      const bytes = blob.size <= CERTIFICATE_BYTES_MAX ? await bytesOf(blob) : null;
      try {
        const { value, text, spans } = canonical(bytes ?? new Uint8Array());
        if (CERTIFICATE_SHAPE(value) === null) {
          part.certificate = value;
          part.message = encode(`trialbook certified copy v1\n${text.slice(...spans.copy)}`);
        }
      } catch (error) {
        if (!(error instanceof NotCanonical)) throw error;
      }
      part.holds(part.certificate !== null, "is no certificate");
      for (const path of [...files.keys()].filter((one) => one.startsWith("proofs/"))) {
        if (/^proofs\/(0|[1-9][0-9]{0,15})$/.test(path)) part.proofs.set(path, files.get(path).blob);
        else tally.found("proofs", "file-unexpected", path, "it is no record's proof");
      }
      return part;
    }

    /** Counts one statement of the certificate, and says if it does not hold. */
    holds(held, what) {
      this.tally.looked("certificate");
      if (!held) this.tally.found("certificate", "copy-not-following", CERTIFICATE, what);
    }

    /** Takes in a record that is there, by its event. */
    async record({ site, subject }, hash, position) {
      if (subject === undefined) {
        this.ofTrial += 1;
        return;
      }
      this.ofSite += 1;
      this.subjects.add(subject);
      const { tally } = this;
      if (this.certificate && site !== this.certificate.copy.site) {
        const said = "is of another site's subject";
        tally.found("certificate", "copy-not-following", `record ${position} /event/site`, said, position);
      }
      const path = `proofs/${position}`;
      const blob = this.proofs.get(path);
      if (!this.proofs.delete(path)) {
        tally.found("proofs", "file-missing", path, "the record has no proof");
        return;
      }
      tally.looked("proofs");
      const fault = this.checkpoint && (await this.proofFault(blob, hash, position));
      if (fault) tally.found("proofs", "copy-not-following", path, fault);
    }

    /** What keeps a file from being a record's proof under the copy's checkpoint, or null. */
    async proofFault(blob, hash, position) {
      const { bytes, parsed } = this.checkpoint;
      const read = blob.size <= PROOF_BYTES_MAX ? proof(await bytesOf(blob)) : null;
      if (!read) return "is no proof";
      if (read.position !== BigInt(position)) return `is the proof of a record at position ${read.position}`;
      if (!equal(read.note, bytes)) return "is under another checkpoint than the copy";
      const leads = await included(unhex(hash), position, Number(parsed.size), read.path, parsed.root);
      return leads ? null : `does not prove the record with hash ${hash}`;
    }

    /** What can be said only once all records were read. */
    async end(log) {
      for (const path of this.proofs.keys()) {
        this.tally.found("proofs", "file-unexpected", path, "no record of a subject stands there");
      }
      if (!this.certificate) return;
      const { copy, certified_by: by } = this.certificate;
      const follows = (held, what) => this.holds(held, `what it states does not follow from the records: ${what}`);
      const { authority } = log;
      if (this.lines) follows(copy.contents === (await contentsOf(this.lines)), "its contents");
      if (this.checkpoint) {
        const { size, root } = this.checkpoint.parsed;
        follows(BigInt(copy.size) === size && copy.root === hex(root), "the checkpoint");
      }
      if (log.genesis !== null) follows(copy.genesis === log.genesis, "the genesis");
      if (log.open) {
        follows(copy.trial === authority.trial, "the trial");
        follows(copy.origin === authority.origin, "the log's name");
        follows(authority.sites.has(copy.site), "the site, which is not active");
      }
      const found = [this.ofSite, this.ofTrial, this.subjects.size];
      const stated = [copy.records_of_site, copy.records_of_trial, copy.subjects];
      follows(stated.every((count, at) => count === found[at]), "how many records and subjects it has");
      if (!by || !log.open) return;
      this.signatureHolds = await this.isCertified(by, copy.site, authority);
      follows(this.signatureHolds, "who certifies it");
    }

    async isCertified({ actor, key, signature }, site, authority) {
      const grant = authority.signer({ key });
      if (!grant || grant.revokedAt !== undefined || !authority.isHolder(actor, grant)) return false;
      const ofSite = grant.sites.length === 0 || grant.sites.includes(site);
      const bytes = unbase64(signature);
      return ofSite && bytes !== null && signatureHolds(grant.publicKey, this.message, bytes);
    }

    /** What there is to say of the copy, as facts. */
    get facts() {
      if (!this.certificate) return [];
      const { copy, certified_by: by } = this.certificate;
      const told = { true: "the signature holds, by the records that are here", false: "the signature does NOT hold", null: "not judged" };
      const who = by && `${by.actor.id} (${by.actor.role}, ${by.actor.organisation})`;
      const texts = copy.texts === "sealed" ? "free text stays sealed" : "free text was opened for them";
      return [
        ["part", `site ${copy.site}, copied at ${copy.made_at}`],
        ["certified by", by ? `${who}: ${told[this.signatureHolds]}` : "nobody's key"],
        ["pages", `for people, and checked by their digests alone; ${texts}`],
      ];
    }
  }

  /** What a certificate pins of the other files: the digest of the MANIFEST without its line for the certificate. */
  function contentsOf(lines) {
    const others = [...lines].filter(([path]) => path !== CERTIFICATE);
    return sha256(encode(others.map(([path, { hash, length }]) => `${hash} ${length} ${path}\n`).join(""))).then(hex);
  }

  // ---- All of it ------------------------------------------------------------------------------------------------

  /** Reads what a person knows from elsewhere; throws an `Error` that says which part is none. */
  async function readAnchors(texts) {
    const { key = "", genesis = "", policy: policyText = "", receipts = "", checkpoints = [], heads = "" } = texts;
    const anchors = { key: null, genesis: null, policy: null, receipts: [], checkpoints, heads: [] };
    if (key.trim() !== "") {
      anchors.key = await verifierKey(key.trim(), LOG);
      if (!anchors.key) throw new Error("The verifier key is not a log's: it is one line, name+8 digits+base64.");
    }
    if (genesis.trim() !== "") {
      anchors.genesis = genesis.trim();
      if (!isHash(anchors.genesis)) throw new Error("The genesis is not 64 lower-case hexadecimal digits.");
    }
    if (policyText.trim() !== "") {
      try {
        anchors.policy = await policy(policyText);
      } catch (error) {
        throw new Error(`The policy cannot be read: ${error.message}.`);
      }
    }
    for (const value of jsonValues(receipts)) {
      const receipt = isObject(value?.receipt) ? value.receipt : value;
      const path = receipt?.path ?? [];
      const promise = isObject(receipt) && isCount(receipt.seq) && isHash(receipt.hash);
      const proof = Array.isArray(path) && path.every(isHash) && isText(receipt?.note ?? "");
      if (!promise || !proof) {
        throw new Error("A receipt has to be JSON with seq and hash.");
      }
      anchors.receipts.push(receipt);
    }
    for (const word of heads.split(/\s+/).filter((one) => one !== "")) {
      const found = /^([1-9][0-9]{0,15}):([0-9a-f]{64})$/.exec(word);
      if (!found) throw new Error("A known head is SIZE:HASH.");
      anchors.heads.push({ size: Number(found[1]), hash: found[2] });
    }
    return anchors;
  }

  /** One JSON value, or one on each line. */
  function jsonValues(text) {
    if (text.trim() === "") return [];
    try {
      return [JSON.parse(text)];
    } catch {
      try {
        return text.split("\n").filter((line) => line.trim() !== "").map((line) => JSON.parse(line));
      } catch {
        throw new Error("The receipts are not JSON.");
      }
    }
  }

  /** The archive's files by the archive's own paths, and the prefix they stand under. */
  function archiveOf(files, bundle) {
    const holds = (one) => [...files.keys()].some((path) => path === `${one}checkpoint` || path.startsWith(`${one}tile/`));
    const prefix = bundle ? "log/" : ["", "log/", "archive/"].find(holds) ?? "";
    const within = [...files].filter(([path]) => path.startsWith(prefix));
    return { prefix, blobs: new Map(within.map(([path, { blob }]) => [path.slice(prefix.length), blob])) };
  }

  const isBundle = (files) =>
    [...files.keys()].some((path) => path === "MANIFEST" || path === "README.html" || /^(keys|reports)\//.test(path));

  /**
   * Verifies `input`: a zip (a `Blob`) or a `Map` of blobs by path, against `anchors` (of `readAnchors`).
   * `progress(what, done, total)` is called along the way.
   */
  async function verify(input, anchors, progress = () => {}) {
    const tally = new Tally();
    let files = new Map();
    let unread = null;
    try {
      files = input instanceof Map
        ? new Map([...input].map(([path, blob]) => [path, { blob }]))
        : await unzip(input, tally);
    } catch (error) {
      if (!(error instanceof NotAZip)) throw error;
      tally.found("zip", "zip-malformed", "(zip)", error.message);
      unread = error;
    }
    let result = { checkpoint: null, log: null, part: null, size: 0 };
    const copy = files.has(CERTIFICATE);
    if (!unread) {
      const bundle = copy || !(input instanceof Map) || isBundle(files);
      const places = copy ? PLACES_IN_A_COPY : PLACES_IN_A_BUNDLE;
      const lines = bundle ? await checkFiles(files, places, tally, progress) : null;
      const partOf = copy ? (checkpoint) => Part.of(files, lines, checkpoint, tally) : null;
      const { prefix, blobs } = archiveOf(files, bundle);
      const archive = new Archive(blobs, prefix, bundle, tally);
      result = await checkArchive(archive, anchors, partOf, tally, progress);
    }
    return report(tally, anchors, result, files, unread);
  }

  const plural = (count, one, many) => `${count} ${count === 1 ? one : many}`;

  /** The verdict of section 15, its status, and the sentence that says so. */
  function verdictOf(tally, anchors, { checkpoint, log, part }, unread, unmade) {
    const records = log?.count ?? 0;
    const evidence = tally.findings.filter((finding) => finding.evidence).length;
    const absence = tally.findings.length - evidence;
    const of = plural(records, "record", "records");
    if (unread) return ["broken", 1, "Broken: the file is not a bundle's zip, and nothing else in it was checked."];
    if (evidence > 0) {
      return ["broken", 1, `Broken: ${plural(evidence, "evidence finding", "evidence findings")} in ${of}.`];
    }
    if (absence > 0) {
      const missing = `${plural(absence, "thing needed is", "things needed are")} missing`;
      return ["undecided", 3, `Could not be decided: nothing contradicts in ${of}, but ${missing}.`];
    }
    if (anchors.genesis === null) {
      const why = "but no genesis was given to hold them against";
      return ["consistent", 3, `Consistent, not authenticated: all ${of} hold, ${why}.${unmade}`];
    }
    const under = checkpoint?.isSigned ? ", under the checkpoint that the log signed" : "";
    if (part) {
      const [hold, rest] = [`the ${of} in it hold, back to the known genesis${under}`, log.leftOut];
      const leftOut = `${plural(rest, "other of the log is", "others of the log are")} left out`;
      return ["intact", 0, `Intact as the part of site ${part.certificate.copy.site}: ${hold}; ${leftOut}.`];
    }
    return ["intact", 0, `Intact: all ${of} hold, back to the known genesis${under}.${unmade}`];
  }

  async function report(tally, anchors, result, files, unread) {
    const { checkpoint, log, part, size } = result;
    const records = log?.count ?? 0;
    const reports = [...files.keys()].some((path) => /^reports\/.*\.json$/.test(path));
    const unmade = reports ? " The reports in it were not made anew here." : "";
    const [verdict, status, sentence] = verdictOf(tally, anchors, result, unread, unmade);
    const facts = [["records", `${records} (${log?.bytes ?? 0} bytes)`]];
    if (log?.leftOut > 0) {
      facts.push(["left out", `${plural(log.leftOut, "record", "records")} of others; nothing shows that none belongs here`]);
    }
    if (log?.count > 0 && log.head) facts.push(["head", log.head]);
    if (log?.genesis) facts.push(["genesis", log.genesis]);
    facts.push(...(part?.facts ?? []));
    if (checkpoint) {
      facts.push(["origin", checkpoint.parsed.origin]);
      facts.push(["size", `${checkpoint.parsed.size} records under root ${hex(checkpoint.parsed.root)}`]);
    }
    for (const key of checkpoint?.by ?? []) facts.push(["signed", key.text]);
    for (const { key, time } of checkpoint?.cosigned ?? []) facts.push(["cosigned", `${key.name} at second ${time}`]);
    const logKeys = [...(log?.authority.logKeys.values() ?? [])];
    for (const { key, at, revokedAt } of logKeys.length > 1 ? logKeys : []) {
      const until = revokedAt === undefined ? "in force" : `revoked by record ${revokedAt}`;
      facts.push(["log key", `${key.text}, named by record ${at}, ${until}`]);
    }
    for (const { seq, note: signed } of log ? anchors.receipts : []) {
      const by = signed === undefined ? "has no note: taken at the word of whoever brings it" : "has a signed note";
      facts.push([`receipt of record ${seq}`, by]);
    }
    if (anchors.receipts.length + anchors.heads.length + anchors.checkpoints.length === 0 && records > 0) {
      facts.push(["known", "no size, receipt or earlier checkpoint was given: a tail left out cannot show"]);
    }
    const by = (await browserVerifies()) ? "the browser" : "this page's own arithmetic, since the browser lacks it";
    facts.push(["Ed25519", `verified by ${by}; the strict rules on points and numbers by this page`]);
    const made = CHECKS.filter((name) => part || !OF_A_COPY.includes(name));
    const checks = made.map((name) => ({ name, ...tally.counts.get(name) }));
    const findings = tally.findings
      .map((finding, order) => ({ finding, order }))
      .sort((a, b) => a.finding.position - b.finding.position || a.order - b.order)
      .map(({ finding }) => finding);
    const notChecked = NOT_CHECKED.filter(([what]) => what !== (part ? "reports" : "pages"));
    return { verdict, status, sentence, facts, checks, findings, notChecked, size, logKeys };
  }

  const NOT_CHECKED = [
    [
      "reports",
      "To make a report anew takes the program that made it, which trialbook-verify has. Here a report is only held " +
        "against the MANIFEST.",
    ],
    [
      "pages",
      "A copy's pages are held against the MANIFEST, which its certificate pins, and not against the records: where a " +
        "value matters, look it up in the record.",
    ],
    ["conduct", "Whether what was recorded keeps the trial's rules touches no verdict; trialbook-verify lists it."],
    ["sealed texts", "Their form is checked, their words are not: that takes the subject's text key."],
  ];

  return {
    ...{ canonical, interval, instant, clinicalTime, isDecimal, isTrial, isSite, isSubject, isActor, isZone, isEventId },
    ...{ signatureHolds, browserVerifies, eventMessage, possessionMessage, keyId, verifierKey, note, signers, policy },
    ...{ checkpointText, receiptText, proof, keysInForce, leafHash, nodeHash, fullTileHash, rootAt, included, tilePath, pathOfTile, entries },
    ...{ kindsOf, ownDefinitions, descriptors: DESCRIPTORS, sealed: SEALED, record: RECORD, meanings: { ...EVIDENCE, ...ABSENCE } },
    ...{ manifest, readAnchors, verify },
    ...{ hex, unhex, base64, unbase64, encode, sha256, LOG, WITNESS },
  };
})();

// ---- The page ----------------------------------------------------------------------------------------------------

// Data enters the page as text only, never as markup. The tests load this file into pages without a form too.
(() => {
  const form = globalThis.document?.getElementById("verify");
  if (!form) return;
  const [button, progress] = [form.querySelector("button"), document.getElementById("progress")];
  const [saying, sentence, result] = ["saying", "sentence", "result"].map((id) => document.getElementById(id));
  const FINDINGS_SHOWN_MAX = 200;
  const PAGES = "../../../docs/findings/";

  /** An element with attributes and children, which are elements or text. */
  function make(name, attributes = {}, ...children) {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.append(...children);
    return element;
  }

  function table(caption, headings, rows) {
    const head = make("thead", {}, make("tr", {}, ...headings.map((text) => make("th", { scope: "col" }, text))));
    const body = rows.map(([first, ...rest]) =>
      make("tr", {}, make("th", { scope: "row" }, first), ...rest.map((cell) => make("td", {}, cell))),
    );
    return make("table", {}, make("caption", {}, caption), head, make("tbody", {}, ...body));
  }

  function finding({ code, evidence, meaning, place, detail }) {
    const link = make("a", { href: `${PAGES}${code}.md` }, code);
    const kind = make("span", { class: evidence ? "bad" : "unsure" }, evidence ? "evidence" : "missing");
    const line = make("p", {}, make("strong", {}, place), " \u00b7 ", link, " \u00b7 ", kind);
    const more = detail === "" ? [] : [make("p", { class: "hint" }, detail)];
    return make("li", {}, line, make("p", {}, meaning), ...more);
  }

  /** A fact's text, in which hashes and keys stand so that each character of theirs can be compared. */
  const told = (value) =>
    value.split(/([A-Za-z0-9+/=.-]{40,})/).map((part, at) => (at % 2 === 1 ? make("code", {}, part) : part));

  const MARKS = { intact: "\u2713", broken: "\u2717", undecided: "?", consistent: "?" };

  function show(report) {
    sentence.className = report.verdict;
    sentence.replaceChildren(make("span", { "aria-hidden": "true" }, MARKS[report.verdict]), " ", report.sentence);
    const parts = [];
    if (report.findings.length > 0) {
      const shown = report.findings.slice(0, FINDINGS_SHOWN_MAX);
      const more = report.findings.length - shown.length;
      parts.push(make("h2", {}, `Findings (${report.findings.length})`), make("ol", {}, ...shown.map(finding)));
      if (more > 0) parts.push(make("p", {}, `and ${more} more`));
    }
    const facts = report.facts.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, ...told(value))]);
    parts.push(make("h2", {}, "What was verified"), make("dl", {}, ...facts));
    const answer = ({ count, faults }) =>
      faults > 0 ? `${faults} ${faults === 1 ? "does" : "do"} not hold` : count > 0 ? "ok" : "nothing to check";
    const rows = report.checks.map((check) => [check.name, String(check.count), answer(check)]);
    parts.push(table("Each check with its count", ["Check", "Looked at", "Answer"], rows));
    parts.push(table("Not checked here", ["What", "Why"], report.notChecked));
    result.replaceChildren(...parts);
  }

  function say(kind, text) {
    sentence.className = kind;
    sentence.replaceChildren(text);
    result.replaceChildren();
  }

  /** What the person chose: a zip, or files by their paths within the chosen directory; null if nothing. */
  function chosen() {
    const [zip] = form.elements.bundle.files;
    const files = [...form.elements.directory.files];
    if (zip) return zip;
    if (files.length === 0) return null;
    return new Map(files.map((file) => [file.webkitRelativePath.replace(/^[^/]*\//, ""), file]));
  }

  async function run() {
    const input = chosen();
    if (!input) return say("broken", "Choose a bundle or a directory first.");
    if (!globalThis.crypto?.subtle) {
      return say("broken", "This browser computes no hashes on a page without https: open the page from disk instead.");
    }
    const value = (name) => form.elements[name].value;
    const checkpoint = value("checkpoint").replaceAll("\r\n", "\n").replace(/^\s+/, "").replace(/\s+$/, "\n");
    let anchors;
    try {
      anchors = await trialbook.readAnchors({
        ...{ key: value("key"), genesis: value("genesis"), policy: value("policy").replaceAll("\r\n", "\n") },
        ...{ receipts: value("receipts"), heads: value("heads") },
        checkpoints: checkpoint.trim() === "" ? [] : [checkpoint],
      });
    } catch (error) {
      return say("broken", error.message);
    }
    say("", "");
    progress.hidden = false;
    try {
      show(
        await trialbook.verify(input, anchors, (what, done, total) => {
          Object.assign(progress, { value: done, max: Math.max(total, 1) });
          saying.textContent = `${what}: ${done} of ${total}`;
        }),
      );
    } catch (error) {
      say("undecided", `Not verified: the files cannot be read. ${error.message}`);
    }
    progress.hidden = true;
    saying.textContent = "";
  }

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    await run();
    button.disabled = false;
    sentence.focus();
  });
  // Only one of the two can be meant: the last one chosen.
  for (const [one, other] of [["bundle", "directory"], ["directory", "bundle"]]) {
    form.elements[one].addEventListener("change", () => {
      if (form.elements[one].files.length > 0) form.elements[other].value = "";
    });
  }
  button.disabled = false;
})();
