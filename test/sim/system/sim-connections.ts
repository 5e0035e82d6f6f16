import type {
  AttemptExchange,
  HttpRequest,
  PartnerConnections,
  Sent,
} from '../../../libs/gate/src/egress/http-exchange.ts';
import type { SimProcess } from '../engine/sim-process.ts';
import type { PartnerAnswer, PartnerCall, SimPartner } from './partner.ts';
import type { World } from './world.ts';

/** Opening a connection that is not warm, milliseconds. */
const connectMs = { least: 0.5, mean: 3 };

/** Connections of one connector to its partner, with the egress tap on them. */
export class SimConnections implements PartnerConnections {
  readonly #world: World;
  readonly #process: SimProcess;
  readonly #partner: SimPartner;
  #attempts = 0;

  constructor(world: World, process: SimProcess, partner: SimPartner) {
    this.#world = world;
    this.#process = process;
    this.#partner = partner;
  }

  open(): AttemptExchange {
    this.#attempts += 1;
    const attempt = `${this.#process.name}.${this.#process.life}.${this.#attempts}`;
    return new SimExchange(this.#world, this.#process, this.#partner, attempt);
  }

  close(): void {}
}

class SimExchange implements AttemptExchange {
  readonly done: Promise<Sent>;
  readonly #world: World;
  readonly #process: SimProcess;
  readonly #partner: SimPartner;
  readonly #attempt: string;
  readonly #life: number;
  #finish: (sent: Sent) => void = () => {};
  #fail: (error: unknown) => void = () => {};
  #written = false;
  #over = false;
  /** Scheduler time of a connection reset by its own side; a killed process resets none, and its kernel sends on. */
  #resetAt = Infinity;

  constructor(world: World, process: SimProcess, partner: SimPartner, attempt: string) {
    this.#world = world;
    this.#process = process;
    this.#partner = partner;
    this.#attempt = attempt;
    this.#life = process.life;
    this.done = new Promise((resolve, reject) => {
      this.#finish = resolve;
      this.#fail = reject;
    });
  }

  whenConnected(act: () => void): void {
    const { scheduler, network } = this.#world;
    const random = this.#world.chance;
    const warm = random.chance(0.7);
    const at = warm
      ? scheduler.now
      : network.arrival(this.#process.name, this.#partner.process.name) +
        connectMs.least +
        random.exponential(connectMs.mean);
    scheduler.at(
      at,
      () => {
        if (this.#over) return;
        try {
          act();
        } catch (error) {
          this.#fail(error);
          this.abandon('not written');
        }
      },
      this.#process,
    );
  }

  write(_headers: HttpRequest['headers'], body: string | Buffer | undefined): void {
    const { scheduler, network, history } = this.#world;
    this.#written = true;
    const call = { ...(JSON.parse(String(body)) as Omit<PartnerCall, 'attempt'>), attempt: this.#attempt };
    for (const item of call.items)
      history.sendBegan({
        ...{ kind: 'egress.start', at: scheduler.now, attempt: this.#attempt, process: this.#process.name },
        ...{ controller: 'acme', subject: item.subject, recipient: this.#partner.recipient, effect: call.effect },
        ...(item.purpose === undefined ? { purposes: item.purposes } : { purpose: item.purpose }),
        ...(item.version === undefined ? {} : { version: item.version }),
        ...(item.request === undefined ? {} : { request: item.request }),
      });
    const { leavesAt, arrivesAt } = network.transit(this.#process.name, this.#partner.process.name);
    const arrive = () => {
      if (this.#resetAt < leavesAt) return;
      this.#partner.receive(call, (answer) => answer !== null && this.#answered(answer));
    };
    scheduler.at(arrivesAt, arrive, null);
  }

  abandon(why: string): void {
    if (this.#over) return;
    this.#over = true;
    this.#resetAt = this.#world.scheduler.now;
    this.#world.history.sendEnded(this.#attempt, 'reset');
    this.#finish(this.#written ? { kind: 'unclear', why } : { kind: 'not-sent', why });
  }

  #answered({ status, headers, body }: PartnerAnswer): void {
    const { scheduler, network, history } = this.#world;
    if (this.#process.life !== this.#life) return;
    scheduler.at(
      network.arrival(this.#partner.process.name, this.#process.name),
      () => {
        if (this.#over) return;
        this.#over = true;
        history.sendEnded(this.#attempt, 'answered', status);
        this.#finish({ kind: 'answered', response: { status, headers, body: Buffer.from(body) } });
      },
      this.#process,
    );
  }
}
