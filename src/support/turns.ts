/** Runs actions of the same key one after the other, whether the one before succeeds or not; those of other keys at the same time. */
export type InTurn = <T>(key: string, action: () => Promise<T>) => Promise<T>

export function createTurns(): InTurn {
  const turns = new Map<string, Promise<unknown>>()
  return (key, action) => {
    const turn = (turns.get(key) ?? Promise.resolve()).then(action, action)
    turns.set(key, turn)
    const leave = () => void (turns.get(key) === turn && turns.delete(key))
    turn.then(leave, leave)
    return turn
  }
}

/** Runs actions one after the other, whether the one before succeeds or not. */
export type Queue = <T>(action: () => Promise<T>) => Promise<T>

export function createQueue(): Queue {
  const inTurn = createTurns()
  return (action) => inTurn('', action)
}
