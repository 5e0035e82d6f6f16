import { BadNote, openCheckpoint, parseNoteSigner, parseNoteVerifier } from '@entente/contracts';
import type { Checkpoint, NoteSigner, NoteVerifier } from '@entente/contracts';

/** What checkpoints are signed with, and every key whose checkpoints are believed, that one first. */
export interface LogKeys {
  readonly signer: NoteSigner;
  readonly verifiers: readonly NoteVerifier[];
}

/** `PRIVATE+KEY+…`, then the public texts of keys signed with before, separated by commas. @throws BadNote */
export function parseLogKeys(text: string): LogKeys {
  const [first = '', ...retired] = text.split(',').map((key) => key.trim());
  const signer = parseNoteSigner(first);
  return { signer, verifiers: [signer.verifier, ...retired.map(parseNoteVerifier)] };
}

/** A note that one of our keys has signed. @throws BadNote */
export function openOwnCheckpoint({ verifiers }: LogKeys, note: string): Checkpoint {
  const faults: string[] = [];
  for (const verifier of verifiers)
    try {
      return openCheckpoint(note, verifier);
    } catch (error) {
      if (!(error instanceof BadNote)) throw error;
      faults.push(error.message);
    }
  throw new BadNote(faults.join('; '));
}
