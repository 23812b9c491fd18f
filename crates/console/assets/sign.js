// Signs in the person's own browser what a page has prepared, and makes keys. Written from docs/format.md.
//
// It keeps nothing: the key is in this page's memory alone, and is forgotten when nobody has touched the page for a while.
"use strict";

(() => {
  const IDLE_MS = 3 * 60 * 1000;
  const ROUNDS = 600000;
  const ROUNDS_TAKEN = [100000, 10000000];
  const PKCS8 = Uint8Array.from([
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
  ]);

  const utf8 = (text) => new TextEncoder().encode(text);
  const joined = (...parts) => {
    const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
    let at = 0;
    for (const part of parts) {
      whole.set(part, at);
      at += part.length;
    }
    return whole;
  };
  const toBase64 = (bytes) => {
    let text = "";
    for (const byte of bytes) text += String.fromCharCode(byte);
    return btoa(text);
  };
  const fromBase64 = (text) => {
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    if (toBase64(bytes) !== text) throw new Error("a member is not base64");
    return bytes;
  };
  const toHex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  const fromHex = (text) => Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
  const random = (length) => crypto.getRandomValues(new Uint8Array(length));
  const sha256 = async (bytes) => new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));

  /* The one writing of a value: members in the order of their names, no white space (format, section 1). */
  const canonical = (value) => {
    if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
    if (value !== null && typeof value === "object") {
      const names = Object.keys(value).sort();
      return `{${names.map((name) => `${JSON.stringify(name)}:${canonical(value[name])}`).join(",")}}`;
    }
    return JSON.stringify(value);
  };

  /* ChaCha20 (RFC 8439), and XChaCha20-Poly1305 over it (draft-irtf-cfrg-xchacha-03): browsers have neither. */
  const SIGMA = [0x61707865, 0x3320646e, 0x79622d32, 0x6b206574];
  const words = (bytes) => {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    return Array.from({ length: bytes.length / 4 }, (_, index) => view.getUint32(index * 4, true));
  };
  const bytesOf = (list) => {
    const view = new DataView(new ArrayBuffer(list.length * 4));
    list.forEach((word, index) => view.setUint32(index * 4, word >>> 0, true));
    return new Uint8Array(view.buffer);
  };
  const rounds = (start) => {
    const x = Uint32Array.from(start);
    const turn = (word, by) => (word << by) | (word >>> (32 - by));
    const quarter = (a, b, c, d) => {
      x[a] += x[b]; x[d] = turn(x[d] ^ x[a], 16);
      x[c] += x[d]; x[b] = turn(x[b] ^ x[c], 12);
      x[a] += x[b]; x[d] = turn(x[d] ^ x[a], 8);
      x[c] += x[d]; x[b] = turn(x[b] ^ x[c], 7);
    };
    for (let round = 0; round < 10; round += 1) {
      quarter(0, 4, 8, 12); quarter(1, 5, 9, 13); quarter(2, 6, 10, 14); quarter(3, 7, 11, 15);
      quarter(0, 5, 10, 15); quarter(1, 6, 11, 12); quarter(2, 7, 8, 13); quarter(3, 4, 9, 14);
    }
    return x;
  };
  const block = (key, nonce, counter) => {
    const start = [...SIGMA, ...words(key), counter, ...words(nonce)];
    const mixed = rounds(start);
    return bytesOf(start.map((word, index) => word + mixed[index]));
  };
  const stream = (key, nonce, counter, bytes) => {
    const out = Uint8Array.from(bytes);
    for (let at = 0; at < out.length; at += 64) {
      const mask = block(key, nonce, counter + at / 64);
      for (let index = 0; index < 64 && at + index < out.length; index += 1) out[at + index] ^= mask[index];
    }
    return out;
  };
  const number = (bytes) => bytes.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
  const poly1305 = (key, message) => {
    const prime = (1n << 130n) - 5n;
    const r = number(key.subarray(0, 16)) & 0x0ffffffc0ffffffc0ffffffc0fffffffn;
    let sum = 0n;
    for (let at = 0; at < message.length; at += 16) {
      const part = message.subarray(at, at + 16);
      sum = ((sum + number(part) + (1n << BigInt(8 * part.length))) * r) % prime;
    }
    sum = (sum + number(key.subarray(16, 32))) & ((1n << 128n) - 1n);
    return Uint8Array.from({ length: 16 }, (_, index) => Number((sum >> BigInt(8 * index)) & 0xffn));
  };
  const encrypt = (key, nonce, bound, message) => {
    const mixed = rounds([...SIGMA, ...words(key), ...words(nonce.subarray(0, 16))]);
    const inner = bytesOf([...mixed.subarray(0, 4), ...mixed.subarray(12, 16)]);
    const short = joined(new Uint8Array(4), nonce.subarray(16));
    const ciphertext = stream(inner, short, 1, message);
    const padding = (length) => new Uint8Array((16 - (length % 16)) % 16);
    const lengths = bytesOf([bound.length, 0, ciphertext.length, 0]);
    const covered = joined(bound, padding(bound.length), ciphertext, padding(ciphertext.length), lengths);
    return joined(ciphertext, poly1305(block(inner, short, 0).subarray(0, 32), covered));
  };

  /* A sealed text (format, section 5). `entropy` is of 112 bytes, used once. */
  const seal = async (text, place, textKey, entropy) => {
    const [dataKey, commitKey] = [entropy.subarray(0, 32), entropy.subarray(32, 64)];
    const [nonce, wrapNonce] = [entropy.subarray(64, 88), entropy.subarray(88, 112)];
    const bound = utf8(place);
    const hmac = await crypto.subtle.importKey("raw", commitKey, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
    const commitment = new Uint8Array(await crypto.subtle.sign("HMAC", hmac, utf8(text)));
    return {
      alg: "xchacha20poly1305",
      ciphertext: toBase64(encrypt(dataKey, nonce, bound, joined(commitKey, utf8(text)))),
      commitment: toHex(commitment),
      nonce: toBase64(nonce),
      wrapped_key: toBase64(joined(wrapNonce, encrypt(textKey, wrapNonce, bound, dataKey))),
    };
  };

  /* Key files (format, section 3). */
  const boundOf = (file) =>
    utf8(["trialbook key 2", file.public_key, file.holder, file.organisation, file.role, file.zone].join("\n"));
  const passphraseKey = async (passphrase, salt, iterations) => {
    const material = await crypto.subtle.importKey("raw", utf8(passphrase), "PBKDF2", false, ["deriveKey"]);
    const how = { name: "PBKDF2", hash: "SHA-256", salt, iterations };
    return crypto.subtle.deriveKey(how, material, { name: "AES-GCM", length: 256 }, false, ["encrypt", "decrypt"]);
  };
  const seedOf = async (file, passphrase) => {
    if (file.format === "trialbook key 1" && file.secret_key) return fromBase64(file.secret_key);
    const sealed = file.format === "trialbook key 2" && file.sealed;
    if (!sealed) throw new Error("This is no key file.");
    const { iterations } = sealed;
    if (!Number.isInteger(iterations) || iterations < ROUNDS_TAKEN[0] || iterations > ROUNDS_TAKEN[1]) {
      throw new Error("This is no key file: its number of rounds is out of bounds.");
    }
    const key = await passphraseKey(passphrase, fromBase64(sealed.salt), iterations);
    const how = { name: "AES-GCM", iv: fromBase64(sealed.nonce), additionalData: boundOf(file) };
    try {
      return new Uint8Array(await crypto.subtle.decrypt(how, key, fromBase64(sealed.ciphertext)));
    } catch {
      throw new Error("The passphrase is wrong, or the file was altered.");
    }
  };
  const opened = async (text, passphrase) => {
    let file = null;
    try {
      file = JSON.parse(text);
    } catch {
      throw new Error("This is no key file.");
    }
    if (file === null || typeof file !== "object") throw new Error("This is no key file.");
    const seed = await seedOf(file, passphrase);
    const secret = await crypto.subtle.importKey("pkcs8", joined(PKCS8, seed), "Ed25519", false, ["sign"]);
    seed.fill(0);
    const publicBytes = fromBase64(file.public_key);
    const publicKey = await crypto.subtle.importKey("raw", publicBytes, "Ed25519", false, ["verify"]);
    const sign = async (bytes) => new Uint8Array(await crypto.subtle.sign("Ed25519", secret, bytes));
    const probe = utf8("trialbook: do both halves belong together?\n");
    if (!(await crypto.subtle.verify("Ed25519", publicKey, await sign(probe), probe))) {
      throw new Error("The two halves of the key do not belong together.");
    }
    return { file, sign, id: toHex(await sha256(publicBytes)) };
  };

  const now = () => new Date().toISOString().replace("Z", "000Z");
  const eventId = () => {
    const bytes = random(16);
    let at = Date.now();
    for (let index = 5; index >= 0; index -= 1) {
      bytes[index] = at % 256;
      at = Math.floor(at / 256);
    }
    bytes[6] = 0x70 | (bytes[6] & 0x0f);
    bytes[8] = 0x80 | (bytes[8] & 0x3f);
    return toHex(bytes).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
  };

  /* The subject's text key: asked for in a signed request, or made and deposited (format, section 10). */
  const textKeyOf = async (key, { trial, site, subject }) => {
    const ask = async (deposit) => {
      const at = now();
      const message = ["trialbook text key v1", trial, site, subject, at, deposit ?? "-"].join("\n");
      const request = { at, key: key.id, signature: toBase64(await key.sign(utf8(message))), site, subject };
      if (deposit) request.deposit = deposit;
      const how = { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(request) };
      const answer = await fetch(`/v1/trials/${trial}/text-keys`, how);
      const body = await answer.json();
      if (!answer.ok) throw new Error(`The subject's text key is not to be had: ${body.detail}`);
      return body.text_key;
    };
    const known = await ask(null);
    if (known) return fromBase64(known);
    const made = random(32);
    await ask(toBase64(made));
    return made;
  };

  /* The event that a statement becomes (format, section 4). */
  const compose = async (statement, key, { trial, genesis, pointers, commits }, given = {}) => {
    const event = structuredClone(statement);
    event.data ??= {};
    const id = given.id ?? eventId();
    const at = (pointer) => pointer.slice(1).split("/");
    const holderOf = (pointer) => at(pointer).slice(0, -1).reduce((value, name) => value?.[name], event);
    const texts = pointers.filter((pointer) => holderOf(pointer)?.[at(pointer).at(-1)] !== undefined);
    if (commits || texts.length > 0) {
      const textKey = given.textKey ?? (await textKeyOf(key, { trial, site: event.site, subject: event.subject }));
      if (commits) event.data.text_key = toHex(await sha256(textKey));
      for (const pointer of texts) {
        const [holder, name] = [holderOf(pointer), at(pointer).at(-1)];
        const place = [trial, event.subject, id, pointer].join("\n");
        holder[name] = await seal(holder[name], place, textKey, given.entropy ?? random(112));
      }
    }
    const { holder, organisation, role, zone } = key.file;
    const actor = { id: holder, organisation, role };
    Object.assign(event, { actor, id, key: key.id, log: genesis, schema: 1, signed_at: given.at ?? now(), trial, zone });
    return canonical(event);
  };
  const submissionOf = async (event, key) => {
    const signature = toBase64(await key.sign(utf8(`trialbook event v1\n${event}`)));
    return `{"event":${event},"signature":"${signature}"}`;
  };

  /* A new key: its file under a passphrase, and the request to be granted it. */
  const make = async ({ holder, organisation, role, zone, sites, genesis }, passphrase) => {
    const pair = await crypto.subtle.generateKey("Ed25519", true, ["sign", "verify"]);
    const publicBytes = new Uint8Array(await crypto.subtle.exportKey("raw", pair.publicKey));
    const pkcs8 = new Uint8Array(await crypto.subtle.exportKey("pkcs8", pair.privateKey));
    const file = { format: "trialbook key 2", holder, organisation, public_key: toBase64(publicBytes), role, zone };
    const [salt, nonce] = [random(16), random(12)];
    const key = await passphraseKey(passphrase, salt, ROUNDS);
    const how = { name: "AES-GCM", iv: nonce, additionalData: boundOf(file) };
    const ciphertext = new Uint8Array(await crypto.subtle.encrypt(how, key, pkcs8.slice(-32)));
    pkcs8.fill(0);
    file.sealed = { ciphertext: toBase64(ciphertext), iterations: ROUNDS, nonce: toBase64(nonce), salt: toBase64(salt) };
    const claim = utf8(["trialbook key v1", genesis, holder, file.public_key].join("\n"));
    const possession = toBase64(new Uint8Array(await crypto.subtle.sign("Ed25519", pair.privateKey, claim)));
    const data = { holder, organisation, possession, public_key: file.public_key, role, sites };
    return { file, request: { kind: "key_granted", data }, id: toHex(await sha256(publicBytes)) };
  };

  const element = (id) => document.getElementById(id);
  const say = (text, isWrong) => {
    const said = element("said");
    said.textContent = text;
    said.className = isWrong ? "wrong" : "";
  };

  const signing = (section) => {
    let key = null;
    let event = null;
    let timer = 0;
    const forget = (why) => {
      key = null;
      event = null;
      clearTimeout(timer);
      element("ready").hidden = true;
      element("locked").hidden = false;
      element("event").textContent = "";
      if (why) say(why, false);
    };
    const touched = () => {
      if (key === null) return;
      clearTimeout(timer);
      timer = setTimeout(() => forget("Locked: nobody has touched the page for three minutes. Open the key again to sign."), IDLE_MS);
    };
    for (const kind of ["pointerdown", "keydown"]) document.addEventListener(kind, touched);
    addEventListener("pagehide", () => forget(""));

    const { statement } = JSON.parse(element("prepared").elements.namedItem("rehearsal").value);
    const about = {
      trial: section.dataset.trial,
      genesis: section.dataset.genesis,
      pointers: section.dataset.pointers.split(" ").filter((pointer) => pointer !== ""),
      commits: section.dataset.commits === "yes",
    };
    element("open").addEventListener("click", async () => {
      const chosen = element("keyfile").files[0];
      if (!chosen) return say("Choose your key file.", true);
      say("Opening the key…", false);
      try {
        const found = await opened(await chosen.text(), element("passphrase").value);
        element("passphrase").value = "";
        if (found.id !== section.dataset.key) {
          throw new Error(`This is not the key of ${section.dataset.holder}, who is to sign: it is ${found.file.holder}'s, or another of theirs.`);
        }
        event = await compose(statement, found, about);
        key = found;
        element("event").textContent = event;
        element("locked").hidden = true;
        element("ready").hidden = false;
        say("The key is open. Below stands what you sign, to the byte.", false);
        touched();
        return element("sign").focus();
      } catch (error) {
        forget("");
        return say(error.message, true);
      }
    });
    element("passphrase").addEventListener("keydown", (pressed) => {
      if (pressed.key !== "Enter") return;
      pressed.preventDefault();
      element("open").click();
    });
    element("forget").addEventListener("click", () => forget("The key is forgotten."));
    element("sign").addEventListener("click", async () => {
      if (key === null) return;
      try {
        element("text").value = await submissionOf(event, key);
        forget("");
        say("Signed. Submitting…", false);
        element("signed").submit();
      } catch (error) {
        say(error.message, true);
      }
    });
    section.hidden = false;
  };

  const making = (form) => {
    const handed = (id, name, value) => {
      const link = element(id);
      link.download = name;
      link.href = URL.createObjectURL(new Blob([`${JSON.stringify(value, null, 2)}\n`], { type: "application/json" }));
    };
    form.addEventListener("submit", async (submitted) => {
      submitted.preventDefault();
      const field = (name) => form.elements.namedItem(name);
      const passphrase = field("passphrase").value;
      if (passphrase !== field("again").value) return say("The two passphrases differ.", true);
      if (Array.from(passphrase).length < 12) return say("The passphrase has fewer than 12 characters.", true);
      say("Making the key…", false);
      try {
        const text = (name) => field(name).value.trim();
        const sites = Array.from(form.querySelectorAll("input[name=site]:checked"), (box) => box.value);
        const who = { holder: text("holder"), organisation: text("organisation"), role: text("role"), zone: text("zone") };
        const made = await make({ ...who, sites, genesis: form.dataset.genesis }, passphrase);
        field("passphrase").value = "";
        field("again").value = "";
        handed("keyfile", `${who.holder}.key`, made.file);
        handed("request", `${who.holder}-request.json`, made.request);
        element("keyid").textContent = made.id;
        element("made").hidden = false;
        say("The key is made. Save both files before you leave this page: nothing of them is kept here.", false);
        return element("keyfile").focus();
      } catch (error) {
        return say(error.message, true);
      }
    });
    form.hidden = false;
  };

  globalThis.trialbookSign = { canonical, compose, fromBase64, fromHex, make, opened, seal, submissionOf, toBase64, utf8 };
  const [section, form] = [element("here"), element("make")];
  if (section) signing(section);
  if (form) making(form);
})();
