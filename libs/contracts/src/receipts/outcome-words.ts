import type { PlainText } from '../catalogue.ts';
import type { Outcome } from '../events/types.ts';

/**
 * What an outcome of a withdrawal means, for the person it is about. Each says what is known and no more: accepted is the
 * partner's word, confirmed was seen, and what nobody can call back is not called gone (ADR 12, ADR 27).
 */
export const outcomeWords: Readonly<Record<Outcome, PlainText>> = {
  waiting: {
    en: 'We stopped sending it what this concerns. It has not answered yet.',
    fr: 'Nous avons cessé de lui envoyer ce que cela concerne. Il n’a pas encore répondu.',
  },
  accepted: {
    en: 'We stopped sending it what this concerns. It has accepted to stop.',
    fr: 'Nous avons cessé de lui envoyer ce que cela concerne. Il a accepté d’arrêter.',
  },
  confirmed: {
    en: 'We stopped sending it what this concerns. It has stopped: we have seen it there.',
    fr: 'Nous avons cessé de lui envoyer ce que cela concerne. Il a arrêté : nous l’avons constaté chez lui.',
  },
  'nothing-to-do': {
    en: 'We stopped sending it what this concerns. It says that it holds nothing of it.',
    fr: 'Nous avons cessé de lui envoyer ce que cela concerne. Il déclare ne rien en détenir.',
  },
  'never-shared': {
    en: 'We have never sent it anything that this concerns.',
    fr: 'Nous ne lui avons jamais rien envoyé que cela concerne.',
  },
  'not-recalled': {
    en: 'We stopped sending it what this concerns. What was sent before cannot be called back at this partner.',
    fr: 'Nous avons cessé de lui envoyer ce que cela concerne. Ce qui a été envoyé auparavant ne peut pas être rappelé chez ce partenaire.',
  },
  superseded: {
    en: 'A later choice of yours has taken the place of this one there.',
    fr: 'Un choix que vous avez fait plus tard a remplacé celui-ci chez lui.',
  },
  parked: {
    en: 'We stopped sending it what this concerns. It could not be told to stop yet; our staff have to look into it.',
    fr: 'Nous avons cessé de lui envoyer ce que cela concerne. Il n’a pas encore pu être prévenu ; notre équipe doit s’en occuper.',
  },
};

/** Outcomes after which the partner may still be at work: only then does its own delay tell the person anything. */
export const stillAtWork: ReadonlySet<Outcome> = new Set(['waiting', 'parked', 'accepted']);
