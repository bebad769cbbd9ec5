import { describeObject, templatePath } from '../../kube/kinds.ts'
import { ClusterTestError } from '../../support/errors.ts'
import type { Manifest } from '../manifests/manifests.ts'
import { type Container, mapPodSpec } from '../manifests/pod-spec.ts'
import { parseImageName } from './image-names.ts'
import type { ImagePlan } from './images.ts'

/**
 * Looks whether the images of workloads can be images' names, unless the suite brings another one in their place.
 * @throws ClusterTestError `ERR_MANIFEST_INVALID` with file, line, workload and image
 */
export function checkImageNames(manifests: readonly Manifest[], { builds, pulls }: ImagePlan): void {
  const brought = new Set([...builds, ...pulls].map(({ name }) => name))
  for (const manifest of manifests) {
    mapPodSpec(manifest.object, (spec) => {
      for (const list of ['initContainers', 'containers']) {
        const containers = Array.isArray(spec[list]) ? (spec[list] as readonly Container[]) : []
        for (const [index, container] of containers.entries()) {
          if (typeof container?.image !== 'string') continue
          const { repository, base } = parseImageName(container.image)
          if (brought.has(repository) || brought.has(base) || isImageName(container.image)) continue
          throw invalid(manifest, container, [...templatePath(manifest.object)!, 'spec', list, index, 'image'])
        }
      }
      return spec
    })
  }
}

function invalid({ object, origin, lineOf }: Manifest, { name, image }: Container, path: readonly (string | number)[]): ClusterTestError {
  const placeholder = /\$\{?\w+[^}]*\}?|\{\{.*?\}\}|<[^>]*>|__\w+__|%\w+%|\$\(\w+\)/.exec(image)?.[0]
  const at = lineOf ? `, line ${lineOf(path)}` : ''
  const why = placeholder ? `"${placeholder}" is a placeholder that nobody has filled in` : 'which is no name that an image can have'
  return new ClusterTestError(
    'ERR_MANIFEST_INVALID',
    `Manifest ${origin}${at}: container "${name}" of ${describeObject(object)} has the image "${image}"${placeholder ? ': ' : ', '}${why}.`,
    {
      hint: placeholder
        ? 'Manifests are applied as they are. Let "kustomize" or "charts" fill it in, or build the image: images: { name: \'./folder\' } takes the place of images of that name, whatever their tag.'
        : 'Names are lower case: registry.example.com/shop/orders:1.2.',
    },
  )
}

const component = '[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*'
const host = '(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\\[[\\da-fA-F:]+\\])(?::\\d+)?'
const reference = new RegExp(`^(?:${host}/)?${component}(?:/${component})*(?::\\w[\\w.-]{0,127})?(?:@[A-Za-z][\\w+.-]*:[\\da-fA-F]{32,})?$`)

/** As Docker and Kubernetes read it (distribution/reference). */
export function isImageName(text: string): boolean {
  return reference.test(text)
}
