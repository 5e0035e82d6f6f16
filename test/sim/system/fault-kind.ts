/** What a seed may have of reliability-plan §5; the nemesis says what each does. */
export type FaultKind =
  | ('kill-service' | 'kill-connector' | 'pause' | 'cut' | 'slow')
  | ('lost-acks' | 'hanging-leader' | 'no-leader' | 'lose-log' | 'retention' | 'rebalance')
  | ('kill-database' | 'failover' | 'own-failover' | 'older-copy' | 'slow-disk')
  | ('partner' | 'step-clock' | 'lose-store');
