import { type CommonServiceOptions, type ServiceDefinition, defineService } from './definition.ts'

/**
 * Kafka, one broker that is its own controller (KRaft). Its advertised address is the Service's name, which tests and
 * bridged code resolve as pods do.
 *
 * @default version '4.1.0'
 * @example services: { events: kafka() }
 */
export function kafka(options: CommonServiceOptions = {}): ServiceDefinition {
  return defineService(options, {
    keys: {},
    type: 'kafka',
    repository: 'apache/kafka',
    tag: '4.1.0',
    ports: { kafka: 9092 },
    env: {
      KAFKA_NODE_ID: '1',
      KAFKA_PROCESS_ROLES: 'broker,controller',
      KAFKA_LISTENERS: 'PLAINTEXT://:9092,CONTROLLER://:9093',
      // Filled in by Kubernetes from the variables that every service gets.
      KAFKA_ADVERTISED_LISTENERS: 'PLAINTEXT://$(SERVICE_HOST):9092',
      KAFKA_CONTROLLER_LISTENER_NAMES: 'CONTROLLER',
      KAFKA_CONTROLLER_QUORUM_VOTERS: '1@localhost:9093',
      KAFKA_LISTENER_SECURITY_PROTOCOL_MAP: 'CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT',
      KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR: '1',
      KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR: '1',
      KAFKA_TRANSACTION_STATE_LOG_MIN_ISR: '1',
      KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS: '0',
      KAFKA_LOG_DIRS: '/var/lib/kafka/data',
    },
    started: { exec: ['sh', '-c', 'exec /opt/kafka/bin/kafka-broker-api-versions.sh --bootstrap-server localhost:9092'] },
    ready: { tcp: 9092 },
    dataPath: '/var/lib/kafka/data',
    scheme: 'kafka',
    details: {},
  })
}
