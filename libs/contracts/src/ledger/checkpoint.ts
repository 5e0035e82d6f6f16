import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, sign, verify } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { hashBytes } from './tree.ts';

/** A signed note (c2sp.org/signed-note) or a key of one that is not what it should be. The message says why. */
export class BadNote extends Error {
  override readonly name = 'BadNote';
}

/** L-4: what a checkpoint says: this log, of so many entries, has this root (c2sp.org/tlog-checkpoint). */
export interface Checkpoint {
  readonly origin: string;
  readonly size: number;
  readonly root: Buffer;
  /** The end of the log of what was done to the record, as it stood then. Checkpoints of earlier versions say none. */
  readonly adminLog?: LogHead;
}

/** Number and link of a chain's newest entry. */
export interface LogHead {
  readonly number: number;
  readonly hash: Buffer;
}

/** Verifies notes of one signer. `text` is its form in files: `name+key id+base64 of 0x01 and the public key`. */
export interface NoteVerifier {
  readonly name: string;
  readonly text: string;
  readonly keyId: Buffer;
  readonly key: KeyObject;
}

export interface NoteSigner {
  readonly verifier: NoteVerifier;
  readonly key: KeyObject;
}

/** Signature type Ed25519 of c2sp.org/signed-note. */
const ed25519 = Buffer.from([0x01]);
const rawKeyBytes = 32;
/** DER before the raw keys (RFC 8410): SubjectPublicKeyInfo and PrivateKeyInfo of Ed25519. */
const publicHeader = Buffer.from('302a300506032b6570032100', 'hex');
const privateHeader = Buffer.from('302e020100300506032b657004220420', 'hex');
const signerPrefix = 'PRIVATE+KEY+';
const keyName = /^[^\s+]+$/u;
const verifierText = /^([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+={0,2})$/u;
const signatureLine = /^— (\S+) ([A-Za-z0-9+/]+={0,2})$/u;
const decimal = /^(0|[1-9][0-9]{0,15})$/;
/** An extension line of the format, which other readers pass over. */
const adminPrefix = 'admin ';

/** First four bytes of SHA-256(name ‖ 0x0A ‖ 0x01 ‖ public key). */
const keyIdOf = (name: string, rawKey: Buffer): Buffer =>
  createHash('sha256')
    .update(name)
    .update(Buffer.from([0x0a]))
    .update(ed25519)
    .update(rawKey)
    .digest()
    .subarray(0, 4);

function verifierOf(name: string, rawKey: Buffer): NoteVerifier {
  const keyId = keyIdOf(name, rawKey);
  return {
    name,
    text: `${name}+${keyId.toString('hex')}+${Buffer.concat([ed25519, rawKey]).toString('base64')}`,
    keyId,
    key: createPublicKey({ key: Buffer.concat([publicHeader, rawKey]), format: 'der', type: 'spki' }),
  };
}

const rawPublicKey = (key: KeyObject): Buffer =>
  key.export({ format: 'der', type: 'spki' }).subarray(publicHeader.length);

/** Reads `name+key id+base64`. @throws BadNote */
export function parseNoteVerifier(text: string): NoteVerifier {
  const { name, keyId, rawKey } = parseKey(text);
  const verifier = verifierOf(name, rawKey);
  if (verifier.keyId.toString('hex') !== keyId) throw new BadNote('the key id is not that of the name and the key');
  return verifier;
}

/** Reads `PRIVATE+KEY+name+key id+base64 of 0x01 and the seed`. Its errors never quote it. @throws BadNote */
export function parseNoteSigner(text: string): NoteSigner {
  if (!text.startsWith(signerPrefix)) throw new BadNote(`a signer's key begins with ${signerPrefix}`);
  const { name, keyId, rawKey } = parseKey(text.slice(signerPrefix.length));
  const key = createPrivateKey({ key: Buffer.concat([privateHeader, rawKey]), format: 'der', type: 'pkcs8' });
  const verifier = verifierOf(name, rawPublicKey(createPublicKey(key)));
  if (verifier.keyId.toString('hex') !== keyId) throw new BadNote('the key id is not that of the name and the key');
  return { verifier, key };
}

function parseKey(text: string): { name: string; keyId: string; rawKey: Buffer } {
  const [, name, keyId, encoded] = verifierText.exec(text) ?? [];
  if (name === undefined || keyId === undefined || encoded === undefined)
    throw new BadNote('a key is name+key id+base64');
  const bytes = fromBase64(encoded);
  if (bytes?.length !== 1 + rawKeyBytes || bytes[0] !== ed25519[0]) throw new BadNote('not an Ed25519 key');
  return { name, keyId, rawKey: bytes.subarray(1) };
}

/** A fresh key pair in the texts that configuration and auditors take. @throws BadNote for a name with blanks or `+` */
export function newNoteKeys(name: string): { readonly signer: string; readonly verifier: string } {
  if (!keyName.test(name)) throw new BadNote('a name has no blanks and no +');
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const verifier = verifierOf(name, rawPublicKey(publicKey));
  const seed = privateKey.export({ format: 'der', type: 'pkcs8' }).subarray(privateHeader.length);
  const secret = Buffer.concat([ed25519, seed]).toString('base64');
  return { signer: `${signerPrefix}${name}+${verifier.keyId.toString('hex')}+${secret}`, verifier: verifier.text };
}

/** The signed note of a tree's size and root, and of the admin log's end; its origin is the signer's name. */
export function signCheckpoint({ verifier, key }: NoteSigner, size: number, root: Buffer, adminLog?: LogHead): string {
  const more = adminLog && `${adminPrefix}${adminLog.number} ${adminLog.hash.toString('base64')}\n`;
  const text = `${verifier.name}\n${size}\n${root.toString('base64')}\n${more ?? ''}`;
  const signature = Buffer.concat([verifier.keyId, sign(null, Buffer.from(text), key)]);
  return `${text}\n— ${verifier.name} ${signature.toString('base64')}\n`;
}

/** Reads a checkpoint that this verifier's key has signed; signatures of others (witnesses) may stand beside it. @throws BadNote */
export function openCheckpoint(note: string, verifier: NoteVerifier): Checkpoint {
  const border = note.lastIndexOf('\n\n');
  if (border === -1 || !note.endsWith('\n')) throw new BadNote('not a signed note');
  const text = note.slice(0, border + 1);
  const ours = note
    .slice(border + 2, -1)
    .split('\n')
    .map(signatureIn)
    .filter(({ name }) => name === verifier.name)
    .map(({ bytes }) => bytes)
    .filter((bytes) => bytes.subarray(0, verifier.keyId.length).equals(verifier.keyId));
  if (ours.length === 0) throw new BadNote(`no signature of ${verifier.name} with this key`);
  const bytes = Buffer.from(text);
  if (!ours.every((signature) => verify(null, bytes, verifier.key, signature.subarray(verifier.keyId.length))))
    throw new BadNote(`the signature of ${verifier.name} does not fit the text`);
  return checkpointIn(text, verifier.name);
}

function signatureIn(line: string): { name: string; bytes: Buffer } {
  const [, name, encoded] = signatureLine.exec(line) ?? [];
  const bytes = fromBase64(encoded ?? '');
  if (name === undefined || bytes === null) throw new BadNote('a line after the text is no signature');
  return { name, bytes };
}

/** Null for what another text would decode to as well. */
function fromBase64(text: string): Buffer | null {
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === text ? bytes : null;
}

function checkpointIn(text: string, name: string): Checkpoint {
  const [origin, size = '', encoded = '', ...more] = text.split('\n');
  if (origin !== name) throw new BadNote('the checkpoint is of another log');
  const root = sha256In(encoded);
  if (!decimal.test(size) || root === null) throw new BadNote('not a checkpoint: origin, size and root expected');
  const admin = more.find((line) => line.startsWith(adminPrefix));
  return { origin, size: Number(size), root, ...(admin === undefined ? {} : { adminLog: adminHeadIn(admin) }) };
}

function adminHeadIn(line: string): LogHead {
  const [, number = '', encoded = ''] = line.split(' ');
  const hash = sha256In(encoded);
  if (!decimal.test(number) || hash === null) throw new BadNote('the end of the admin log cannot be read');
  return { number: Number(number), hash };
}

function sha256In(encoded: string): Buffer | null {
  const hash = fromBase64(encoded);
  return hash?.length === hashBytes ? hash : null;
}
