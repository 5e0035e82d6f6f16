import { describe, expect, test } from '@jest/globals';
import { answerOf, withoutAnswer } from './answer.ts';
import { partnerHosts } from './partner-hosts.ts';

describe('where a recipient may be reached', () => {
  test('D-3 the hosts of all addresses in its settings, with their ports, and what its partner adds', () => {
    const settings = {
      baseUrl: 'https://api.partner.example/v1',
      regions: [{ url: 'https://eu.partner.example:8443' }],
      token: 'https',
      note: 'ask https://nobody.example',
      domain: 'vendor.example',
    };
    const hosts = ({ domain }: { domain: string }) => [domain, `*.${domain}`];
    expect(partnerHosts({ hosts }, settings)).toEqual([
      'api.partner.example',
      'eu.partner.example:8443',
      'vendor.example',
      '*.vendor.example',
    ]);
    expect(partnerHosts({}, { token: 'x' })).toEqual([]);
  });

  test('DLV-4: what the guard forbids is refused with its reason, and so parks; it is never asked again and again', () => {
    const result = answerOf({ kind: 'forbidden', why: 'forbidden-address' });
    expect(result).toEqual({ failure: { kind: 'refused', why: 'forbidden-address' } });
    expect(withoutAnswer({ kind: 'refused', why: 'forbidden-host' }, 'token-unavailable').kind).toBe('refused');
    expect(withoutAnswer({ kind: 'unclear', why: 'no-answer' }, 'token-unavailable')).toEqual({
      kind: 'retry',
      why: 'token-unavailable',
    });
  });
});
