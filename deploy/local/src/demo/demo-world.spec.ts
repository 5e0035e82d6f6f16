import { partnerServer, type StartedPartnerServer } from '@entente/test-support';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { startDemoWorld, type DemoWorld } from './demo-world.ts';

const token = 'demo-token';
let partner: StartedPartnerServer;
let world: DemoWorld;

beforeAll(async () => {
  partner = await partnerServer('hubspot', { token: 'test-token' });
  world = await startDemoWorld([{ recipient: 'hubspot-crm', controlUrl: partner.server.controlUrl }], token);
}, 30_000);
afterAll(async () => {
  await world.stop();
  await partner.drop();
});

async function flip(...on: string[]): Promise<number> {
  const response = await fetch(`${world.url}/switches`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}` },
    body: JSON.stringify({ recipient: 'hubspot-crm', on }),
  });
  await response.arrayBuffer();
  return response.status;
}

/** What the partner answers to a revocation, and whether it has done it. */
async function revoked(email: string): Promise<readonly [number, boolean]> {
  const path = `/communication-preferences/2026-03/statuses/${email}/unsubscribe-all?channel=EMAIL`;
  const headers = { authorization: 'Bearer test-token' };
  const response = await fetch(`${partner.server.url}${path}`, { method: 'POST', headers });
  await response.arrayBuffer();
  const done = (await partner.server.journal()).some(
    (line) => line['t'] === 'effect' && JSON.stringify(line).includes(email),
  );
  return [response.status, done];
}

test('switches change what the partner does: failing refuses, lies says yes and does nothing, off is honest again', async () => {
  expect(await flip('failing')).toBe(200);
  expect(await revoked('failing@example.org')).toEqual([500, false]);
  expect(await flip('lies')).toBe(200);
  expect(await revoked('lies@example.org')).toEqual([200, false]);
  expect(await flip()).toBe(200);
  expect(await revoked('honest@example.org')).toEqual([200, true]);
});

test('an unknown switch is refused and leaves the others as they were', async () => {
  await flip('failing');
  expect(await flip('failing', 'burning')).toBe(400);
  expect(await revoked('still@example.org')).toEqual([500, false]);
  await flip();
});
