import type { PartnerDefinition } from '@entente/connector-runtime';
import type { SpawnedContractServer } from '@entente/contract-servers';
import type { StartedPartnerServer } from '@entente/test-support';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { DirectContext, revocationOf, shareOf } from './direct-context.ts';

export interface DirectGroundOptions<S extends object> {
  start(): Promise<StartedPartnerServer>;
  readonly settings: new () => S;
  settingsFor(url: string): object;
}

/** A contract server whose clock the tests move, and a partner's context in front of it; asked for late. */
export interface DirectGround<S extends object> {
  server(): SpawnedContractServer;
  /** New for each test. */
  direct(): DirectContext<S>;
  /** One more, under other settings; ended after the test. */
  withSettings(more?: object): DirectContext<S>;
  /** Both clocks go together, those of later tests too: an assertion signed in the partner's past is refused. */
  pass(ms: number): Promise<void>;
}

export function directGround<S extends object>(options: DirectGroundOptions<S>): DirectGround<S> {
  let started: StartedPartnerServer;
  let direct: DirectContext<S>;
  let aheadMs = 0;
  const open: DirectContext<S>[] = [];
  const withSettings = (more: object = {}): DirectContext<S> => {
    const made = new DirectContext<S>(
      Object.assign(new options.settings(), options.settingsFor(started.server.url), more),
    );
    made.advance(aheadMs);
    open.push(made);
    return made;
  };
  beforeAll(async () => {
    started = await options.start();
  }, 30_000);
  beforeEach(() => {
    direct = withSettings();
  });
  afterEach(async () => {
    for (const each of open.splice(0)) each.close();
    await started.server.clearFaults();
  });
  afterAll(() => started.drop());
  return {
    server: () => started.server,
    direct: () => direct,
    withSettings,
    async pass(ms) {
      aheadMs += ms;
      for (const each of open) each.advance(ms);
      await started.server.advanceClock(ms);
    },
  };
}

/** What every partner does with a batch in which it refuses one row; `share` where its answer to a share can name one. */
export function badRows<S extends object>(
  { direct, server }: DirectGround<S>,
  partner: Pick<PartnerDefinition<S>, 'share' | 'revoke'>,
  operations: { readonly revoke: string; readonly share?: string },
): void {
  const ids = ['good-1', 'good-2', 'bad', 'good-3'];

  test('one bad row never blocks the others of its batch', async () => {
    await server().setFaults({ kind: 'badRow', match: operations.revoke, identifier: 'bad' });
    const revoked = await partner.revoke(
      ids.map((id) => revocationOf([id])),
      direct().context,
    );
    expect(revoked.map(({ kind }) => kind)).toEqual(['applied', 'applied', 'refused', 'applied']);
    if (operations.share === undefined) return;
    await server().setFaults({ kind: 'badRow', match: operations.share, identifier: 'bad' });
    const shared = await partner.share(
      ids.map((id) => shareOf(id)),
      direct().context,
    );
    expect(shared.map(({ kind }) => kind)).toEqual(['sent', 'sent', 'refused', 'sent']);
  });
}
