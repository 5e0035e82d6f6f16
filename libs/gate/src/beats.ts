import { timing, type ControllerId, type GateStartId, type RecipientId } from '@entente/contracts';
import type { EventPublisher } from '@entente/kafka';
import type { Clock, Logger } from '@entente/observability';
import { gateRecord } from './gate-records.ts';
import { read, type BeatLog } from './step/lease.ts';

/** Who speaks on `consent.gates.v1`. */
export interface GateIdentity {
  readonly start: GateStartId;
  readonly gate: string;
  readonly controller: ControllerId;
  readonly recipients: readonly RecipientId[];
}

export interface BeatsSetting {
  readonly identity: GateIdentity;
  readonly publisher: EventPublisher;
  readonly beats: BeatLog;
  /** False while the replica is not whole: a beat then would earn a lease for nothing. */
  readonly mayBeat: () => boolean;
  readonly clock: Clock;
  readonly log: Logger;
}

/** GATE-2: "I am here, at this moment of my own clock", every 250 ms. A lost beat is not repeated: the next one comes. */
export class Beats {
  readonly #setting: BeatsSetting;
  #timer: NodeJS.Timeout | undefined;
  #publishing: Promise<void> | null = null;
  #failing = false;

  constructor(setting: BeatsSetting) {
    this.#setting = setting;
  }

  start(): void {
    this.#timer ??= setInterval(() => this.beat(), timing.beatMs);
    this.beat();
  }

  beat(): void {
    if (this.#publishing !== null || !this.#setting.mayBeat()) return;
    this.#publishing = this.#publish()
      .catch((err: unknown) => this.#setting.log.error({ err }, 'gate beats cannot be written'))
      .finally(() => {
        this.#publishing = null;
      });
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    this.#timer = undefined;
    await this.#publishing;
  }

  async #publish(): Promise<void> {
    const { identity, publisher, beats, clock, log } = this.#setting;
    // The reading comes before the sending, however long the publisher takes: the lease counts from here.
    const sent = read(clock);
    const { recipients } = identity;
    const data = { start: identity.start, gate: identity.gate, controller: identity.controller, recipients };
    const record = gateRecord('org.entente.gate.beat.v1', { ...data, number: beats.send(sent) }, sent.wall);
    const results = await publisher.publish([record]);
    const failed = results.find((result) => !result.ok);
    if (failed && !this.#failing) log.warn({ err: failed.error }, 'gate beats do not arrive');
    if (!failed && this.#failing) log.info({}, 'gate beats arrive again');
    this.#failing = failed !== undefined;
  }
}
