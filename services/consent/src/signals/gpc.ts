import type { Catalogue } from '@entente/contracts';
import { soldPurposes } from './opt-outs.ts';
import type { Reading } from './statement.ts';

/**
 * `Sec-GPC` (https://w3c.github.io/gpc/): the value `1` and nothing else is a signal. A repeated field arrives joined by
 * commas (RFC 9110 §5.3); one `1` among its values is enough. Anything else, and its absence, says nothing at all.
 */
export function readGpc(value: string, catalogue: Catalogue): Reading {
  const isOptOut = value.split(',').some((part) => part.trim() === '1');
  return {
    kind: 'read',
    faults: isOptOut ? [] : ['only the value 1 is a signal'],
    statements: isOptOut
      ? soldPurposes(catalogue).map(({ id }) => ({ purpose: id, says: 'denies', because: 'sec-gpc' }))
      : [],
  };
}
