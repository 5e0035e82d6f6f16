import { record, type Json } from '../narrow.ts';
import type { Deed } from '../partner.ts';
import type { ObjectSchema } from './schema.ts';

export interface Row {
  readonly id: string;
  readonly object: string;
  readonly fields: Json;
}

/** Records of every object and issued tokens: a fold over effects. */
export class OrgStore {
  readonly #rows = new Map<string, Row>();
  readonly #tokens = new Map<string, number>();
  readonly #schema: ReadonlyMap<string, ObjectSchema>;
  #made = 0;

  constructor(schema: ReadonlyMap<string, ObjectSchema>) {
    this.#schema = schema;
  }

  /** 18 characters, as Salesforce's ids; `ahead` counts those a request has made before its effects are stored. */
  nextId(object: string, ahead: number): string {
    return `${this.#schema.get(object)?.prefix ?? '000'}${String(this.#made + ahead + 1).padStart(15, '0')}`;
  }

  row(id: string): Row | undefined {
    return this.#rows.get(id);
  }

  rows(object: string): readonly Row[] {
    return [...this.#rows.values()].filter((row) => row.object === object);
  }

  /** External ids match without regard to case. */
  matching(object: string, field: string, value: string): readonly Row[] {
    const wanted = value.toLowerCase();
    return this.rows(object).filter(({ fields }) => String(fields[field] ?? '').toLowerCase() === wanted);
  }

  tokenLives(token: string, nowMs: number): boolean {
    return (this.#tokens.get(token) ?? 0) > nowMs;
  }

  apply(effect: Deed): void {
    const detail = record(effect.detail);
    switch (effect.what) {
      case 'tokenIssued':
        this.#tokens.set(String(detail['token']), Number(detail['expiresMs']));
        break;
      case 'created':
      case 'updated': {
        const id = String(detail['id']);
        const object = effect.scope.split('/')[0] ?? '';
        if (effect.what === 'created') this.#made += 1;
        this.#rows.set(id, { id, object, fields: { ...this.row(id)?.fields, ...record(detail['fields']) } });
        break;
      }
      case 'deleted':
        this.#rows.delete(String(detail['id']));
        break;
      default:
    }
  }

  /** What is held of one external id, or everything. */
  state(id?: string): unknown {
    if (id === undefined) return { records: [...this.#rows.values()] };
    const of = (object: string): Json | undefined => this.matching(object, 'Consent_Subject_Id__c', id)[0]?.fields;
    const individual = this.matching('Individual', 'Consent_Subject_Id__c', id)[0];
    const consents = this.rows('ContactPointTypeConsent').filter(({ fields }) => fields['PartyId'] === individual?.id);
    return {
      id,
      contact: of('Contact'),
      lead: of('Lead'),
      individual: individual?.fields,
      consents: individual === undefined ? [] : consents.map(({ fields }) => fields),
    };
  }
}
