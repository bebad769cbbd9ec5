import { ClusterTestError } from '../../support/errors.ts'
import { YamlError } from '../../support/yaml/cursor.ts'
import { type YamlDocument, readYaml } from '../../support/yaml/read-yaml.ts'

/** A document and its name. */
export interface NamedDocument extends YamlDocument {
  /** `"k8s/shop.yaml", document 2 (line 14)` */
  readonly origin: string
}

/**
 * Parses YAML as kubectl and Helm read it: YAML 1.1 booleans and octals where they are not quoted, integers of any size.
 * @param name of the text, for messages
 * @param what it is, for messages
 * @throws ClusterTestError `ERR_MANIFEST_INVALID` with document and line
 */
export function parseYaml(text: string, name: string, what: string): readonly NamedDocument[] {
  const documents: NamedDocument[] = []
  const at = (line: number) => `${name}, document ${documents.length + 1} (line ${line})`
  try {
    readYaml(text, (document) => documents.push({ ...document, origin: at(document.line) }))
  } catch (error) {
    if (!(error instanceof YamlError)) throw error
    throw new ClusterTestError('ERR_MANIFEST_INVALID', `${what} ${at(error.line)} is not valid YAML: ${error.message}.`, { cause: error })
  }
  return documents
}
