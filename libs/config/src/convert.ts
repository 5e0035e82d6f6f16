import type { EnvValueKind } from './env.ts';

export type Converted = { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly rule: string };

const msPerUnit: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const truths: Readonly<Record<string, boolean>> = { true: true, 1: true, false: false, 0: false };

/** Text of a variable to a value, strictly: what is not plainly of the kind is a fault, never a NaN. */
export function convert(text: string, kind: EnvValueKind): Converted {
  switch (kind) {
    case 'text':
      return { ok: true, value: text };
    case 'number':
      return /^-?\d+(\.\d+)?$/.test(text) ? { ok: true, value: Number(text) } : { ok: false, rule: 'must be a number' };
    case 'integer':
      return /^-?\d+$/.test(text) && Number.isSafeInteger(Number(text))
        ? { ok: true, value: Number(text) }
        : { ok: false, rule: 'must be a whole number' };
    case 'boolean': {
      const value = Object.hasOwn(truths, text) ? truths[text] : undefined;
      return value === undefined ? { ok: false, rule: 'must be true or false' } : { ok: true, value };
    }
    case 'list':
      return {
        ok: true,
        value: text
          .split(',')
          .map((part) => part.trim())
          .filter((part) => part !== ''),
      };
    case 'duration':
      return duration(text);
    case 'json':
      return json(text);
  }
}

function duration(text: string): Converted {
  const [, amount, unit] = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text) ?? [];
  const factor = unit === undefined ? undefined : msPerUnit[unit];
  if (amount === undefined || factor === undefined)
    return { ok: false, rule: 'must be a duration: a number followed by ms, s, m, h or d' };
  return { ok: true, value: Number(amount) * factor };
}

function json(text: string): Converted {
  try {
    return { ok: true, value: JSON.parse(text) as unknown };
  } catch {
    // The parser's message quotes the text, which may hold a secret.
    return { ok: false, rule: 'must be valid JSON' };
  }
}
