import Sequencer from '@jest/test-sequencer';

/**
 * Suites that mostly wait (for brokers to be killed, missed and back) and so take longest, whatever the size of their files;
 * Jest goes by that where it has not seen a run before. Begun first, they end beside the others and not after them.
 */
const longest = [
  ...['libs/kafka/src/outage', 'infrastructure/infrastructure', 'libs/gate/src/gate', 'relay/relay'],
  ...['e2e/compose', 'scaffold/write-a-connector', 'libs/kafka/src/cluster', 'e2e/metrics', 'libs/kafka/src/kafka.it'],
  ...['e2e/configuration', 'checker/million-events'],
];

export default class LongestFirst extends Sequencer {
  sort(tests) {
    const place = ({ path }) => {
      const index = longest.findIndex((name) => path.includes(name));
      return index < 0 ? longest.length : index;
    };
    return super.sort(tests).sort((one, other) => place(one) - place(other));
  }
}
