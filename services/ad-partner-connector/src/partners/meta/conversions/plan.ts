import type { PurposeId } from '@entente/contracts';
import type { ShareItem } from '@entente/connector-runtime';

/** An older event fails its whole request; 62 days for physical stores (partner-apis.md §2). */
const oldestSeconds = { physical_store: 62 * 86_400, other: 7 * 86_400 } as const;

/** What the settings say about Limited Data Use (partner-apis.md §2). */
interface LimitedUse {
  readonly limitedPurposes: readonly string[];
  readonly limitedWithout?: string;
  readonly limitedCountry: number;
  readonly limitedState: number;
}

/** An event as Meta takes it. */
export interface ServerEvent {
  readonly event_name: string;
  readonly event_time: number;
  readonly event_id: string;
  readonly action_source: string;
  readonly event_source_url?: string;
  readonly user_data: { readonly em?: readonly string[]; readonly ph?: readonly string[] };
  readonly custom_data?: Readonly<Record<string, unknown>>;
  readonly data_processing_options: readonly string[];
  readonly data_processing_options_country?: number;
  readonly data_processing_options_state?: number;
}

export interface EventSetting extends LimitedUse {
  readonly actionSource: string;
}

/** An event with its Limited Data Use as of this moment: `allowed` is what the gate allows the person's data for now. */
export function eventOf(
  item: ShareItem,
  setting: EventSetting,
  allowed: readonly PurposeId[],
  now: number,
): ServerEvent {
  const { event, eventTime, eventSourceUrl, actionSource, ...custom } = item.fields;
  const { 'meta-email': email, 'meta-phone': phone } = item.identifiers;
  const url = textOf(eventSourceUrl);
  return {
    event_name: textOf(event) ?? item.purpose,
    event_time: secondsOf(eventTime) ?? Math.floor(now / 1000),
    // Meta drops a second event of the same name and id: a repetition counts once.
    event_id: item.requestId,
    action_source: textOf(actionSource) ?? setting.actionSource,
    ...(url === undefined ? {} : { event_source_url: url }),
    user_data: { ...(email ? { em: [email] } : {}), ...(phone ? { ph: [phone] } : {}) },
    ...(Object.keys(custom).length === 0 ? {} : { custom_data: custom }),
    ...limitsOf(item.purpose, setting, allowed),
  };
}

/** An empty list says "not limited"; Meta's default, where nothing is said, is a switch of the pixel's. */
function limitsOf(purpose: PurposeId, use: LimitedUse, allowed: readonly PurposeId[]) {
  const { limitedWithout, limitedCountry, limitedState } = use;
  const refused = limitedWithout !== undefined && !allowed.some((each) => each === limitedWithout);
  if (!refused && !use.limitedPurposes.includes(purpose)) return { data_processing_options: [] };
  return {
    data_processing_options: ['LDU'],
    data_processing_options_country: limitedCountry,
    data_processing_options_state: limitedState,
  };
}

const textOf = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined);

/** ISO 8601, or seconds since 1970. */
function secondsOf(value: unknown): number | undefined {
  if (typeof value === 'number') return Math.floor(value);
  const at = typeof value === 'string' ? Date.parse(value) : NaN;
  return Number.isNaN(at) ? undefined : Math.floor(at / 1000);
}

/** Why Meta refuses an event that was alone in its request, as far as we can tell. */
export function faultOf(event: ServerEvent, now: number): string {
  const age = Math.floor(now / 1000) - event.event_time;
  const oldest = event.action_source === 'physical_store' ? oldestSeconds.physical_store : oldestSeconds.other;
  if (age > oldest) return 'event-too-old';
  const hashes = [...(event.user_data.em ?? []), ...(event.user_data.ph ?? [])];
  return hashes.every((each) => /^[0-9a-f]{64}$/.test(each)) ? 'rejected' : 'invalid-identifier';
}
