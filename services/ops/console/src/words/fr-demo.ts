import type { enDemo } from './en-demo.ts';

/** Les textes de la page qui casse les partenaires d’une installation locale. */
export const frDemo: typeof enDemo = {
  demo: {
    title: 'Tout casser',
    intro:
      'Les partenaires de cette installation locale font ce que vous leur dites. Allumez un défaut, retirez un consentement, et voyez où cela se voit. Rien de tel n’existe en production.',
    sentence: {
      calm: 'Tous les partenaires se tiennent bien.',
      broken: (faults, names) => `${faults} chez ${names}.`,
    },
    partner: (name) => `Défauts de ${name}`,
    switches: {
      slow: { name: 'Lent', look: 'répond après 2 s : les délais d’accord de sa page augmentent' },
      throttled: { name: 'Freine', look: 'répond 429, revenez dans 3 s : les retraits attendent, aucun n’est perdu' },
      failing: { name: 'Échoue', look: 'répond 500 : Partenaire en panne, le circuit s’ouvre' },
      down: { name: 'En panne', look: 'coupe chaque connexion : Non appliqués augmente, les envois sont retenus' },
      'late-acks': { name: 'Accords tardifs', look: 'le fait et répond trop tard : incertain, redemandé' },
      duplicates: {
        name: 'Réponses perdues',
        look: 'le fait, une réponse sur deux se perd : envoyé deux fois, sans dommage',
      },
      reorders: {
        name: 'Désordre',
        look: 'une requête sur deux traîne : d’autres la doublent, les versions l’emportent',
      },
      lies: { name: 'Ment', look: 'dit oui et ne fait rien : accepté, jamais confirmé ; les Comparaisons le voient' },
    },
    reimport: 'Réimporter une vieille liste',
    reimportAt: (name) => `Réimporter une vieille liste chez ${name}`,
    reimportLook:
      'Tous ceux qui s’étaient désabonnés sont réabonnés dans notre dos. Comparez, et voyez la fuite comptée.',
    reimported: (people) => `Réabonnées : ${people}. Comparez maintenant.`,
    watch: 'Comparer',
  },
};
