import { record, type Json } from '../narrow.ts';
import type { Deed } from '../partner.ts';

type TaskStatus = 'PENDING' | 'STARTED' | 'SUCCESS' | 'FAILURE' | 'REVOKED';

/** A deletion of people's events and profiles. */
export interface Task {
  readonly id: string;
  readonly distinctIds: readonly string[];
  readonly complianceType: string;
  /** By the partner's clock. */
  readonly createdMs: number;
  /** Fault failLater. */
  readonly failing: boolean;
  status: TaskStatus;
}

/** Profiles, events and deletion tasks: a fold over effects. */
export class MixpanelStore {
  readonly #profiles = new Map<string, Json>();
  readonly #events = new Map<string, { readonly name: string; readonly properties: Json }[]>();
  readonly #seen = new Set<string>();
  readonly tasks = new Map<string, Task>();

  seen(key: string): boolean {
    return this.#seen.has(key);
  }

  profile(id: string): Json | undefined {
    return this.#profiles.get(id);
  }

  apply(effect: Deed): void {
    const detail = record(effect.detail);
    const [kind, name = ''] = effect.scope.split('/');
    switch (effect.what) {
      case 'tracked':
        this.#seen.add(String(detail['key']));
        for (const id of effect.identifiers)
          this.#events.set(id, [...(this.#events.get(id) ?? []), { name, properties: record(detail['properties']) }]);
        break;
      case 'profileSet':
        for (const id of effect.identifiers)
          this.#profiles.set(id, { ...this.#profiles.get(id), ...record(detail['set']) });
        break;
      case 'profileDeleted':
        for (const id of effect.identifiers) this.#profiles.delete(id);
        break;
      case 'taskCreated':
        this.tasks.set(name, {
          id: name,
          distinctIds: effect.identifiers,
          complianceType: String(detail['complianceType']),
          createdMs: Number(detail['createdMs']),
          failing: detail['failing'] === true,
          status: 'PENDING',
        });
        break;
      case 'dataDeleted':
        for (const id of effect.identifiers) {
          this.#profiles.delete(id);
          this.#events.delete(id);
        }
        break;
      case 'taskSettled': {
        const task = kind === 'task' ? this.tasks.get(name) : undefined;
        if (task !== undefined) task.status = detail['status'] as TaskStatus;
        break;
      }
      default:
    }
  }

  state(id?: string): unknown {
    if (id !== undefined)
      return { distinctId: id, profile: this.#profiles.get(id) ?? null, events: this.#events.get(id) ?? [] };
    return { profiles: Object.fromEntries(this.#profiles), tasks: [...this.tasks.values()] };
  }
}
