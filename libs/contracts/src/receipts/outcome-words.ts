import type { PlainText } from '../catalogue.ts';
import type { Outcome } from '../events/types.ts';

/**
 * What an outcome of a withdrawal means, for the person it is about. Each says what is known and no more: accepted is the
 * partner's word, confirmed was seen, and what nobody can call back is not called gone (ADR 12, ADR 27).
 */
export const outcomeWords: Readonly<Record<Outcome, PlainText>> = {
  waiting: {
    en: 'We send it nothing more. It has not answered yet.',
    fr: 'Nous ne lui envoyons plus rien. Il n’a pas encore répondu.',
  },
  accepted: {
    en: 'We send it nothing more. It has accepted to stop.',
    fr: 'Nous ne lui envoyons plus rien. Il a accepté d’arrêter.',
  },
  confirmed: {
    en: 'We send it nothing more. It has stopped: we have seen it there.',
    fr: 'Nous ne lui envoyons plus rien. Il a arrêté : nous l’avons constaté chez lui.',
  },
  'nothing-to-do': {
    en: 'We send it nothing more. It says that it holds nothing that this concerns.',
    fr: 'Nous ne lui envoyons plus rien. Il déclare ne rien détenir que cela concerne.',
  },
  'never-shared': {
    en: 'We have never sent it anything that this concerns.',
    fr: 'Nous ne lui avons jamais rien envoyé que cela concerne.',
  },
  'not-recalled': {
    en: 'We send it nothing more. What was sent before cannot be called back at this partner.',
    fr: 'Nous ne lui envoyons plus rien. Ce qui a été envoyé auparavant ne peut pas être rappelé chez ce partenaire.',
  },
  superseded: {
    en: 'A later choice of yours has taken the place of this one there.',
    fr: 'Un choix que vous avez fait plus tard a remplacé celui-ci chez lui.',
  },
  parked: {
    en: 'We send it nothing more. It could not be told to stop yet; our staff have to look into it.',
    fr: 'Nous ne lui envoyons plus rien. Il n’a pas encore pu être prévenu ; notre équipe doit s’en occuper.',
  },
};

/** Outcomes after which the partner may still be at work: only then does its own delay tell the person anything. */
export const stillAtWork: ReadonlySet<Outcome> = new Set(['waiting', 'parked', 'accepted']);
