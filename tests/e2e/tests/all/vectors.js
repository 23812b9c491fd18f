// Holds the golden vectors against the page's own functions, in the page. Arguments: what each file of vectors holds,
// by the file's name, and WebDriver's callback. Answers how many vectors of each file were run, and what failed. What
// makes rather than checks (signing, sealing, proofs for witnesses) the page does not have, and is not run.
"use strict";
const [files, done] = arguments;
const t = globalThis.trialbook;

const bytesOf = ({ bytes, bytes_hex: hex }) => (hex === undefined ? t.encode(bytes) : t.unhex(hex));
const known = async (keys, type) => Promise.all(keys.map((key) => t.verifierKey(key, type)));
const refused = (read) => {
  try {
    return read() ?? null;
  } catch {
    return null;
  }
};
// The tree of the vectors: the record at position n is n in decimal digits.
const leavesOf = (size) => Promise.all(Array.from({ length: size }, (_, at) => t.leafHash(t.encode(String(at)))));

async function levelsOf(size) {
  let level = await leavesOf(size);
  const levels = [];
  while (true) {
    levels.push(Uint8Array.from(level.flatMap((hash) => [...hash])));
    const above = [];
    for (let at = 0; at + 256 <= level.length; at += 256) {
      above.push(await t.fullTileHash(levels.at(-1).subarray(32 * at, 32 * at + 8192)));
    }
    if (above.length === 0) return levels;
    level = above;
  }
}

const treesMade = new Map();
const tree = (size) => treesMade.get(size) ?? treesMade.set(size, levelsOf(size)).get(size);
const rootOf = async (size) => t.rootAt(await tree(size), size);

/** The tiles and bundles of a log of `size` that one of `old` has not. */
function tileSet(old, size) {
  const paths = (level, from, to) => {
    const found = [];
    for (let index = Math.floor(from / 256); 256 * index < to; index += 1) {
      const width = Math.min(256, to - 256 * index);
      if (256 * index + width > from) found.push(t.pathOfTile(level, index, width));
    }
    return found;
  };
  const tiles = [];
  for (let level = 0; 256 ** level <= size; level += 1) {
    tiles.push(...paths(level, Math.floor(old / 256 ** level), Math.floor(size / 256 ** level)));
  }
  return { tiles, bundles: paths("entries", old, size) };
}

async function logProof({ proof, hash, log_keys: keys }) {
  const parting = proof.indexOf("\n\n");
  const [version, index, ...path] = proof.slice(0, parting).split("\n");
  const position = /^index (0|[1-9][0-9]{0,19})$/.exec(index ?? "");
  const hashes = path.map(t.unbase64);
  const signed = t.note(t.encode(proof.slice(parting + 2)));
  const parsed = signed && t.checkpointText(signed.text);
  const wellFormed = version === "c2sp.org/tlog-proof@v1" && parting > 0 && position && parsed;
  if (!wellFormed || hashes.length > 64 || !hashes.every((one) => one?.length === 32)) return false;
  const own = (await known(keys, t.LOG)).filter((key) => key?.name === parsed.origin);
  const { held } = await t.signers(signed, own);
  if (!held?.length) return false;
  return t.included(t.unhex(hash), Number(position[1]), Number(parsed.size), hashes, parsed.root);
}

const identifiers = {
  trial: t.isTrial,
  site: t.isSite,
  subject: t.isSubject,
  actor: t.isActor,
  zone: t.isZone,
  event: t.isEventId,
};
const accepted = (value) => (value === null || value === undefined ? { refused: true } : { accepted: value });
const cosignersOf = (texts) => known(texts, t.WITNESS);

// For each file: what the page makes of an input, in the words of the output, or of that part of it that a checker has.
const runs = {
  "canonical-check": async (input) => ({ canonical: refused(() => t.canonical(bytesOf(input))) !== null }),
  "checkpoint-text": async ({ text }) => {
    const read = t.checkpointText(text);
    return accepted(read && { origin: read.origin, root: t.hex(read.root), size: String(read.size) });
  },
  checkpoint: async ({ origin, size }, output) => {
    const signed = t.note(t.encode(output.checkpoint));
    const read = t.checkpointText(signed.text);
    const own = await t.verifierKey(output.log_key, t.LOG);
    const watching = await cosignersOf(output.cosigners);
    const { held } = await t.signers(signed, [own, ...watching]);
    const holds = held?.length === 1 + watching.length && read.origin === origin && Number(read.size) === size;
    return holds && t.hex(read.root) === t.hex(await rootOf(size)) ? output : { held: held?.length };
  },
  "clinical-time": async ({ text }) => accepted(t.clinicalTime(text)),
  decimal: async ({ text }) => accepted(t.isDecimal(text) ? text : null),
  "entry-bundle": async (input, output) => {
    const count = input.count ?? input.records.length;
    const { records, whole } = t.entries(bytesOf(input.records ? output : input), count);
    const texts = records.map((record) => new TextDecoder().decode(record));
    if (input.records) return JSON.stringify(texts) === JSON.stringify(input.records) && whole ? output : { texts };
    return accepted(whole ? texts : null);
  },
  "event-signature": async ({ event }, output) => {
    const key = t.unbase64(output.public_key);
    const message = t.eventMessage(t.encode(event));
    const holds = async (own) => t.signatureHolds(key, message, t.unbase64(output.signature), own);
    return (await holds(false)) && (await holds(true)) && (await t.keyId(key)) === output.key ? output : {};
  },
  identifier: async ({ grammar, text }) => accepted(identifiers[grammar](text) ? text : null),
  instant: async ({ text }) => {
    const read = t.instant(text);
    return accepted(read === null ? null : Number(read));
  },
  "log-proof": async ({ position, size }, output) => {
    const holds = await logProof({ proof: output.proof, hash: output.hash, log_keys: [output.log_key] });
    const leaf = t.hex((await leavesOf(size))[position]);
    return holds && leaf === output.hash ? output : { leaf, holds };
  },
  "log-proof-check": async (input) => ({ holds: await logProof(input) }),
  log: async (_, output) => {
    const entry = (text) => {
      const bytes = t.encode(text);
      return [bytes.length >> 8, bytes.length & 255, ...bytes];
    };
    const bundle = Uint8Array.from(output.records.flatMap(entry));
    const input = new Map([[`tile/entries/000.p/${output.records.length}`, new Blob([bundle])]]);
    const report = await t.verify(input, await t.readAnchors({ genesis: output.genesis }));
    const codes = report.findings.map(({ code }) => code).sort().join(" ");
    const [head] = report.facts.filter(([name]) => name === "head");
    // There is neither a checkpoint nor a tile: nothing else may be found.
    return codes === "checkpoint-missing tile-missing" && head[1] === output.head ? output : { codes, head };
  },
  note: async ({ signers, text }, output) => {
    // Of a text that no note can be made of there is none to read.
    if (output.refused) return undefined;
    const signed = t.note(t.encode(output.accepted));
    const names = signed?.signatures.map(({ name }) => name);
    return signed?.text === text && same(names, signers.map(({ name }) => name)) ? output : { names };
  },
  "note-check": async ({ keys, note }) => {
    const signed = t.note(t.encode(note));
    const { held } = signed ? await t.signers(signed, await known(keys, t.LOG)) : {};
    return accepted(held?.length > 0 ? held.map(({ key }) => key.name) : null);
  },
  "partial-date": async ({ text }) => accepted(t.interval(text)),
  policy: async ({ cosigned, policy }, output) => {
    let read;
    try {
      read = await t.policy(policy);
    } catch {
      return { refused: true };
    }
    const met = read.met(await cosignersOf(cosigned));
    return output.accepted?.met === met ? output : { met };
  },
  possession: async ({ genesis, holder }, output) => {
    const message = t.possessionMessage(genesis, holder, output.public_key);
    const [key, signature] = [output.public_key, output.possession].map(t.unbase64);
    const holds = await t.signatureHolds(key, message, signature);
    return holds && new TextDecoder().decode(message) === output.message ? output : {};
  },
  receipt: async ({ count, first, origin, position }, output) => {
    const signed = t.note(t.encode(output.note));
    const read = t.receiptText(signed.text);
    const { held } = await t.signers(signed, await known([output.key], t.LOG));
    const path = output.path.map(t.unhex);
    const leads = await t.included(t.unhex(output.hash), position - first, count, path, read.root);
    const same = read.origin === origin && read.first === first && read.count === count;
    return held?.length === 1 && leads && same ? output : { same, leads };
  },
  "record-hash": async (input) => ({ hash: t.hex(await t.leafHash(bytesOf(input))) }),
  "record-join": async ({ event, prev, recorded_at: at, seq }, output) => {
    const read = t.canonical(t.encode(output.record));
    const same = read.value.prev === prev && read.value.recorded_at === at && read.value.seq === seq;
    const own = read.text.slice(...read.spans.event) === event && t.record(read.value) === null;
    return same && own ? { ...output, hash: t.hex(await t.leafHash(t.encode(output.record))) } : { same, own };
  },
  "role-table": async ({ role }) => {
    const { trial, sites, imports } = t.kindsOf(role);
    const cells = [...trial.map((kind) => [kind, "trial"]), ...sites.map((kind) => [kind, "own_sites"])];
    return Object.fromEntries([...cells, ...imports.map((kind) => [kind, "imports"])]);
  },
  "tile-path": async ({ text }) => {
    const read = t.tilePath(text);
    const again = read && t.pathOfTile(read.level, read.index, read.width) === text;
    return accepted(again ? { ...read, index: String(read.index) } : null);
  },
  "tile-set": async ({ old, new: size }) => tileSet(old, size),
  tile: async ({ path, size }, output) => {
    const { level, index, width } = t.tilePath(path);
    const hashes = (await tree(size))[level].subarray(8192 * Number(index));
    const made = hashes.subarray(0, 32 * width);
    if (output.exists === false) return Math.min(256, hashes.length / 32) === width ? {} : output;
    const same = made.length === output.bytes && t.hex(await t.sha256(made)) === output.sha256;
    const over = output.hash === undefined || t.hex(await t.fullTileHash(made)) === output.hash;
    return same && over ? output : { same, over };
  },
  "tree-root": async ({ size }, output) => ({ ...output, root: t.hex(await rootOf(size)) }),
  "tree-consistency": async ({ old, new: size }, output) => {
    const [before, after] = [t.hex(await rootOf(old)), t.hex(await rootOf(size))];
    return { ...output, old_root: before, new_root: after };
  },
  "tree-inclusion": async ({ position, size }, output) => {
    const leaf = (await leavesOf(size))[position];
    const root = await rootOf(size);
    const leads = await t.included(leaf, position, size, output.proof.map(t.unhex), root);
    return leads ? { ...output, leaf: t.hex(leaf), root: t.hex(root) } : { leads };
  },
  "tree-check": async (input) => {
    // The page needs no proofs of consistency: it has all leaves.
    if (input.leaf === undefined) return undefined;
    const { leaf, position, size, proof, root } = input;
    const sizes = [position, size].map(Number);
    return { holds: await t.included(t.unhex(leaf), ...sizes, proof.map(t.unhex), t.unhex(root)) };
  },
  "verifier-key": async (input, output) => {
    const text = input.text ?? output.accepted?.text;
    // A name that no key can have has no text to read.
    if (text === undefined) return undefined;
    const type = input.kind === "cosigner" ? t.WITNESS : t.LOG;
    const read = await t.verifierKey(text, type);
    return accepted(read && { id_hex: read.id, name: read.name, public_key: t.base64(read.publicKey), text });
  },
};

const ordered = (value) =>
  value && typeof value === "object" && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value).sort().map(([key, inner]) => [key, ordered(inner)]))
    : Array.isArray(value)
      ? value.map(ordered)
      : value;
const same = (a, b) => JSON.stringify(ordered(a)) === JSON.stringify(ordered(b));

(async () => {
  const [counts, failed] = [{}, []];
  for (const [name, { vectors }] of Object.entries(files)) {
    if (!runs[name]) continue;
    counts[name] = 0;
    for (const { name: which, input, output } of vectors) {
      try {
        const made = await runs[name](input, output);
        if (made === undefined) continue;
        counts[name] += 1;
        // What is wrong where is for a program that repairs; a checker only refuses.
        const due = name === "canonical-check" ? { canonical: output.canonical === true } : output;
        if (!same(made, due)) failed.push(`${name}: ${which}: ${JSON.stringify(made)}`);
      } catch (error) {
        failed.push(`${name}: ${which}: ${error.stack}`);
      }
    }
  }
  done({ counts, failed });
})();
