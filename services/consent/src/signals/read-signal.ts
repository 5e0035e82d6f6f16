import type { Catalogue } from '@entente/contracts';
import { readAtt } from './att.ts';
import { readGpc } from './gpc.ts';
import { readGpp } from './gpp.ts';
import type { Reading, SignalKind } from './statement.ts';
import { readTcf } from './tcf.ts';

/** @param now milliseconds since the epoch */
export function readSignal(kind: SignalKind, raw: string, catalogue: Catalogue, now: number): Reading {
  switch (kind) {
    case 'gpc':
      return readGpc(raw, catalogue);
    case 'att':
      return readAtt(raw, catalogue);
    case 'tcf':
      return readTcf(raw, catalogue, now);
    case 'gpp':
      return readGpp(raw, catalogue, now);
  }
}
