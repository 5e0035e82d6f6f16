import type { Audience, ConsentChanged, ConsentVector, ControllerId, SubjectKey } from '@entente/contracts';

/** What the logs last said of a person, and the database does not know. */
export interface LostState {
  readonly controller: ControllerId;
  readonly subjectKey: SubjectKey;
  /** Null where only a gate's replica tells of it. */
  readonly changeId: string | null;
  readonly version: number;
  readonly vector: ConsentVector;
  /** One of the lost changes erased the person. */
  readonly erased: boolean;
  /** One of them linked two keys; which, no log says (REC-7). */
  readonly merged: boolean;
  /** The identifiers as the last event carried them, for recipients of someone the database never knew. */
  readonly sealed: Readonly<Record<Audience, string>>;
}

export const lostStateOf = (changeId: string, change: ConsentChanged): LostState => ({
  controller: change.controller,
  subjectKey: change.subjectKey,
  changeId,
  version: change.version,
  vector: change.vector,
  erased: change.changes.some(({ to }) => to === 'erased'),
  merged: change.changes.some(({ cause }) => cause === 'merge'),
  sealed: change.sealed,
});

/** Of two lost changes of a person the newer counts; that an older one erased or linked them is not forgotten. */
export const newerOf = (a: LostState, b: LostState): LostState => {
  const [older, newest] = a.version < b.version ? [a, b] : [b, a];
  return {
    ...newest,
    erased: older.erased || newest.erased,
    merged: older.merged || newest.merged,
    sealed: { ...older.sealed, ...newest.sealed },
  };
};
