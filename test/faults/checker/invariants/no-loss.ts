import { topics } from '@entente/contracts';
import { BySubject } from '../evidence/by-subject.ts';
import type { Change } from '../evidence/consent-timeline.ts';
import type { Evidence, Invariant } from '../evidence/evidence.ts';
import { entry } from '../evidence/intervals.ts';
import { storesAtEnd } from '../evidence/stores.ts';
import { inOrder } from '../excerpt.ts';
import type { OfSubject } from '../history.ts';
import type { Violation } from '../violation.ts';

/**
 * NO-LOSS: once the run has come to rest every committed change is in the complete log, a deny-direction one in the
 * express log too (REC-6), and every registered store holds it or a later one.
 */
export const noLoss: Invariant = (evidence) =>
  evidence.quiescedAt === undefined ? [] : [...missingInLogs(evidence), ...missingInStores(evidence)];

function missingInLogs(evidence: Evidence): Violation[] {
  const { events, consent } = evidence;
  const logged = new Map<string, BySubject<Set<number>>>();
  for (const { topic } of events.of('topic.ends')) entry(logged, topic, () => new BySubject());
  for (const { topic, type, controller, key, version, aborted } of events.of('topic.record')) {
    if (type !== 'change' || controller === undefined || version === undefined || aborted) continue;
    entry(logged, topic, () => new BySubject<Set<number>>())
      .entry({ controller, subject: key }, () => new Set())
      .add(version);
  }
  const complete = logged.get(topics.changes);
  const express = logged.get(topics.revocations);
  const found: Violation[] = [];
  for (const { event, version } of committed(consent.subjects())) {
    const missing: string[] = [];
    if (complete && !complete.get(event)?.has(version)) missing.push(topics.changes);
    if (express && event.direction === 'deny' && !express.get(event)?.has(version)) missing.push(topics.revocations);
    if (missing.length === 0) continue;
    const row = events.of('db.outbox').find((one) => sameSubject(one, event) && one.version === version);
    const place = row ? ' and still stands in the outbox' : '';
    const what = `version ${version} of ${event.subject} is missing in ${missing.join(' and ')}${place}`;
    found.push({ rule: 'NO-LOSS', what, events: inOrder(event, row) });
  }
  return found;
}

function missingInStores(evidence: Evidence): Violation[] {
  const { consent } = evidence;
  const found: Violation[] = [];
  for (const { registered, highest } of storesAtEnd(evidence)) {
    for (const changes of consent.subjects()) {
      const newest = changes.findLast(({ event }) => !event.lost);
      if (!newest) continue;
      const { controller, subject } = newest.event;
      if (registered.controller !== undefined && registered.controller !== controller) continue;
      const holds = highest.get(newest.event) ?? 0;
      if (holds >= newest.version) continue;
      const missed = changes.find(({ event, version }) => version > holds && !event.lost) ?? newest;
      const what = `store ${registered.store} holds version ${holds} of ${subject}, the database ${newest.version}`;
      found.push({ rule: 'NO-LOSS', what, events: inOrder(registered, missed.event) });
    }
  }
  return found;
}

const sameSubject = (one: OfSubject, other: OfSubject): boolean =>
  one.subject === other.subject && one.controller === other.controller;

function* committed(subjects: Iterable<readonly Change[]>): Generator<Change> {
  for (const changes of subjects) for (const change of changes) if (!change.event.lost) yield change;
}
