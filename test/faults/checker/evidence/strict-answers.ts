import type { ApiOk, OfSubject } from '../history.ts';
import { BySubject } from './by-subject.ts';
import { never } from './intervals.ts';
import type { Evidence } from './evidence.ts';
import type { Send } from './sends.ts';

/** From `at` on, nothing older than `version` may be what a send was decided on, and what said so. */
export interface Floor<Proof> {
  readonly at: number;
  readonly version: number;
  readonly proof: Proof;
}

/** Floors of one subject in order of time, each at least as high as the one before. */
export function raise<Proof>(floors: Floor<Proof>[], floor: Floor<Proof>): void {
  const highest = floors.at(-1);
  if (!highest || floor.version > highest.version) floors.push(floor);
}

/** Answers to `wait=gates`, per subject. */
export function strictAnswers(evidence: Evidence): BySubject<Floor<ApiOk>[]> {
  const answers: { readonly subject: OfSubject; readonly floor: Floor<ApiOk> }[] = [];
  for (const { invoke, ok } of evidence.operations.values()) {
    if (invoke.wait !== 'gates' || !ok) continue;
    for (const answer of ok.answers ?? []) {
      answers.push({ subject: answer, floor: { at: ok.at, version: answer.version, proof: ok } });
    }
  }
  answers.sort((a, b) => a.floor.at - b.floor.at);
  const floors = new BySubject<Floor<ApiOk>[]>();
  for (const { subject, floor } of answers)
    raise(
      floors.entry(subject, () => []),
      floor,
    );
  return floors;
}

/** Whether a version from the floor up, committed by `at`, allows this send. */
export function permittedFrom({ consent }: Evidence, send: Send, floor: number, at: number): boolean {
  const { destination, start } = send;
  const permitting = consent.findCurrent(start, -never, at, (change) =>
    change.version < floor ? null : consent.grantOf(change, destination) !== undefined,
  );
  return permitting !== undefined;
}
