/** What the demo world will not do, with the status that says why. */
export class Refused extends Error {
  override readonly name = 'Refused';
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

interface HubspotPerson {
  readonly email: string;
  readonly subscriptions: Readonly<Record<string, string>>;
}

const mostAtOnce = 500;

/**
 * Somebody at the brand uploads an old list at the partner, past every gate of ours: whoever had unsubscribed is subscribed
 * again (CJEU C-129/21, the supplier's re-import). Nothing but reading the partner back can notice.
 * @returns how many people were subscribed again
 */
export async function resubscribeAll(
  controlUrl: string,
  { url, token }: { readonly url: string; readonly token: string },
): Promise<number> {
  const state = (await (await fetch(`${controlUrl}/state`)).json()) as { people: readonly HubspotPerson[] };
  const gone = state.people.flatMap(({ email, subscriptions }) =>
    Object.entries(subscriptions).flatMap(([id, status]) =>
      status === 'UNSUBSCRIBED' ? [{ email, id: Number(id) }] : [],
    ),
  );
  const again = gone.slice(0, mostAtOnce);
  for (const { email, id } of again) {
    const response = await fetch(`${url}/communication-preferences/2026-03/statuses/${encodeURIComponent(email)}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({
        ...{ channel: 'EMAIL', statusState: 'SUBSCRIBED', subscriptionId: id },
        ...{ legalBasis: 'CONSENT_WITH_NOTICE', legalBasisExplanation: 'an old list was imported again' },
      }),
    });
    await response.arrayBuffer();
    if (!response.ok) throw new Refused(502, `the partner answered ${response.status}; is a fault on?`);
  }
  return new Set(again.map(({ email }) => email)).size;
}
