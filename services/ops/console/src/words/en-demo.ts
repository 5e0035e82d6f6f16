/** Texts of the page that breaks the partners of a local stack. */
export const enDemo = {
  demo: {
    title: 'Break it',
    intro:
      'The partners of this local stack do what you tell them. Switch something on, withdraw somebody, and see where it shows. None of this exists in production.',
    sentence: {
      calm: 'Every partner behaves.',
      broken: (faults: string, names: string) => `${faults} on at ${names}.`,
    },
    partner: (name: string) => `Faults of ${name}`,
    switches: {
      slow: { name: 'Slow', look: 'answers after 2 s: the accepted times of its page grow' },
      throttled: { name: 'Throttles', look: 'answers 429, come again in 3 s: withdrawals wait, none is lost' },
      failing: { name: 'Fails', look: 'answers 500: Partner down, and the circuit opens' },
      down: { name: 'Down', look: 'cuts every connection: Not enforced grows, shares are held' },
      'late-acks': { name: 'Late acknowledgements', look: 'does it and answers too late: unclear, asked again' },
      duplicates: { name: 'Lost answers', look: 'does it and half the answers are lost: sent twice, harmlessly' },
      reorders: { name: 'Reorders', look: 'half its requests dawdle: later ones overtake, versions still win' },
      lies: { name: 'Lies', look: 'says yes and does nothing: accepted, never confirmed; Comparisons find it' },
    },
    reimport: 'Import an old list again',
    reimportAt: (name: string) => `Import an old list again at ${name}`,
    reimportLook:
      'Everybody who had unsubscribed is subscribed again behind our back. Compare, and see the leak counted.',
    reimported: (people: string) => `Subscribed again: ${people}. Now compare.`,
    watch: 'Compare now',
  },
};
