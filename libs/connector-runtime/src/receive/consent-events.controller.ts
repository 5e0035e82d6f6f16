import { topics } from '@entente/contracts';
import type { RecordBatch } from '@entente/kafka/nest';
import { Controller, Inject } from '@nestjs/common';
import { EventPattern, Payload } from '@nestjs/microservices';
import { KafkaShares } from '../share/kafka-shares.ts';
import { CatalogueKeeper } from './catalogue-keeper.ts';
import { ChangeReceiver } from './change-receiver.ts';

/** What a connector reads. A handler that fails is given the same records again; it throws only when the database is away. */
@Controller()
export class ConsentEventsController {
  readonly #changes: ChangeReceiver;
  readonly #catalogue: CatalogueKeeper;
  readonly #shares: KafkaShares;

  constructor(
    @Inject(ChangeReceiver) changes: ChangeReceiver,
    @Inject(CatalogueKeeper) catalogue: CatalogueKeeper,
    @Inject(KafkaShares) shares: KafkaShares,
  ) {
    this.#changes = changes;
    this.#catalogue = catalogue;
    this.#shares = shares;
  }

  /** REC-6: two logs, two consumers; whichever comes first counts, versions fence the rest. */
  @EventPattern(topics.revocations)
  revocations(@Payload() { tp, records }: RecordBatch): Promise<void> {
    return this.#changes.receive(tp, records);
  }

  @EventPattern(topics.changes)
  changes(@Payload() { tp, records }: RecordBatch): Promise<void> {
    return this.#changes.receive(tp, records);
  }

  @EventPattern(topics.catalogue)
  catalogue(@Payload() { tp, records }: RecordBatch): Promise<void> {
    return this.#catalogue.receive(tp, records);
  }

  @EventPattern(topics.shareRequests)
  shareRequests(@Payload() { tp, records }: RecordBatch): Promise<void> {
    return this.#shares.receive(tp, records);
  }
}
