import type { Invariant } from '../evidence/evidence.ts';
import type { Violation } from '../violation.ts';

/** PRIVACY: planted identifiers occur in no artefact: not plain, escaped for a URL or JSON, in hex or in base64. */
export const privacy: Invariant = ({ history }) => {
  const found: Violation[] = [];
  const { artefacts = [], canaries = [] } = history;
  for (const { name, bytes } of artefacts) {
    const searched = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (const canary of canaries) {
      for (const [form, text] of formsOf(canary)) {
        const at = searched.indexOf(text, 0, 'utf8');
        if (at < 0) continue;
        const what = `${name} holds a planted identifier (${form}) at byte ${at}`;
        found.push({ rule: 'PRIVACY', what, events: [] });
        break;
      }
    }
  }
  return found;
};

/** The spellings an identifier is likely to leak in. */
function formsOf(canary: string): Map<string, string> {
  const bytes = Buffer.from(canary);
  const forms = new Map([
    ['plain', canary],
    ['URL', encodeURIComponent(canary)],
    ['JSON', JSON.stringify(canary).slice(1, -1)],
    ['hex', bytes.toString('hex')],
  ]);
  // In base64 a text looks different at each of three alignments; the outer characters depend on its neighbours.
  for (const lead of [0, 1, 2]) {
    const encoded = Buffer.concat([Buffer.alloc(lead), bytes]).toString('base64');
    const first = lead === 0 ? 0 : lead + 1;
    const whole = Math.floor(((lead + bytes.length) * 8) / 6);
    const inner = encoded.slice(first, whole);
    forms.set(`base64 at ${lead}`, inner);
    forms.set(`base64url at ${lead}`, inner.replaceAll('+', '-').replaceAll('/', '_'));
  }
  return forms;
}
