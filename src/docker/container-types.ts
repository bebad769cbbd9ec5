/** What users see of testcontainers. */
export type { GenericContainer, StartedTestContainer } from 'testcontainers'
