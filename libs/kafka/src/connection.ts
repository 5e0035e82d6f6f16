import { createSecureContext } from 'node:tls';
import { KafkaFault } from './faults.ts';
import type { KafkaOptions } from './port.ts';

const mechanisms: readonly string[] = ['plain', 'scram-sha-256', 'scram-sha-512'];

/**
 * Judges a host's settings before anything connects; no value of them is ever named.
 * @throws KafkaFault with every fault
 */
export function checkConnection({ brokers, ssl, sasl }: Pick<KafkaOptions, 'brokers' | 'ssl' | 'sasl'>): void {
  const faults: string[] = [];
  if (brokers.length === 0) faults.push('brokers must name at least one');
  if (ssl) {
    const { ca, cert, key } = ssl;
    if (ca !== undefined && !(ca.includes('-----BEGIN CERTIFICATE-----') && readable({ ca })))
      faults.push('ssl.ca must hold certificates in PEM');
    if ((cert === undefined) !== (key === undefined)) faults.push('ssl.cert and ssl.key go together');
    else if (cert !== undefined && key !== undefined && !readable({ cert, key }))
      faults.push('ssl.cert and ssl.key must be a certificate in PEM and its unencrypted key');
  }
  if (sasl) {
    if (!mechanisms.includes(sasl.mechanism)) faults.push(`sasl.mechanism must be one of ${mechanisms.join(', ')}`);
    if (!sasl.username) faults.push('sasl.username must not be empty');
    if (!sasl.password) faults.push('sasl.password must not be empty');
  }
  if (faults.length > 0) throw new KafkaFault('rejected', `kafka connection: ${faults.join('; ')}`);
}

function readable(parts: { readonly ca?: string; readonly cert?: string; readonly key?: string }): boolean {
  try {
    createSecureContext(parts);
    return true;
  } catch {
    return false;
  }
}
