// Ctrl-C reaches the workers too, and would end them before they can give their clusters back.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  if (process.listenerCount(signal) === 0) process.on(signal, () => {})
}
