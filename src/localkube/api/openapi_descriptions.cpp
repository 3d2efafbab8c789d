// SPDX-License-Identifier: Apache-2.0
#include "localkube/api/openapi_descriptions.h"

#include <string>

namespace localkube {

namespace {

#define CORE "io.k8s.api.core.v1."
#define APPS "io.k8s.api.apps.v1."
#define META "io.k8s.apimachinery.pkg.apis.meta.v1."

constexpr Description kDescriptions[] = {
    {META "ObjectMeta", "", "Who an object is: its name, its labels, and what the server notes about its life."},
    {META "ObjectMeta", "name", "Unique among objects of this kind in the namespace; never changes."},
    {META "ObjectMeta", "generateName", "A beginning that the server completes to a unique name, where none is given."},
    {META "ObjectMeta", "namespace", "The namespace that the object lives in; never changes."},
    {META "ObjectMeta", "labels", "Keys and values by which selectors find the object."},
    {META "ObjectMeta", "annotations", "Keys and values for programs and people; nothing selects by them."},
    {META "ObjectMeta", "ownerReferences",
     "Objects that this one belongs to: it is deleted once all of them are gone."},
    {META "ObjectMeta", "finalizers", "Names of those who must take theirs off before a deletion completes."},
    {META "ObjectMeta", "uid", "Tells this object from all others ever, of the same name too. Set by the server."},
    {META "ObjectMeta", "resourceVersion", "Changes with each write; a write that names an older one is a conflict."},
    {META "ObjectMeta", "generation", "Rises when what is wanted changes, as opposed to the status."},
    {META "ObjectMeta", "creationTimestamp", "When the server took the object in."},
    {META "ObjectMeta", "deletionTimestamp", "When the object is to be gone; set by a deletion that has to wait."},
    {META "LabelSelector", "", "Chooses objects by their labels; all that is asked for has to hold."},
    {META "LabelSelector", "matchLabels", "Labels that an object has to carry with these values."},
    {META "LabelSelector", "matchExpressions", "Conditions on labels: In, NotIn, Exists or DoesNotExist."},

    {CORE "Pod", "", "Containers that run together on the node: one address, one life, shared volumes."},
    {CORE "Pod", "metadata", "Name, namespace, labels and annotations."},
    {CORE "Pod", "spec", "What is to run, and how. Hardly anything in it can change later."},
    {CORE "Pod", "status", "How the pod is doing, as the node last saw it."},
    {CORE "PodSpec", "", "The containers of a pod and all that they need."},
    {CORE "PodSpec", "containers", "The programs of the pod, which run side by side; at least one."},
    {CORE "PodSpec", "initContainers",
     "Containers that run before the others, one after the other, each to its end. With restartPolicy Always one is "
     "a sidecar: it keeps running, and the next starts once it has started."},
    {CORE "PodSpec", "ephemeralContainers",
     "Containers added to a running pod to look into it; not run by this cluster."},
    {CORE "PodSpec", "volumes", "Storage that containers may mount by name."},
    {CORE "PodSpec", "restartPolicy", "Whether containers that end start again: Always, OnFailure or Never."},
    {CORE "PodSpec", "terminationGracePeriodSeconds",
     "Seconds between the request to end (SIGTERM) and the end by force (SIGKILL)."},
    {CORE "PodSpec", "serviceAccountName", "The account that the pod acts as, towards the API and in the mesh."},
    {CORE "PodSpec", "automountServiceAccountToken", "Whether a token of that account is mounted into the containers."},
    {CORE "PodSpec", "nodeName", "The node that the pod was given to; set by the scheduler."},
    {CORE "PodSpec", "nodeSelector", "Labels that the node must carry."},
    {CORE "PodSpec", "affinity", "Finer conditions on where the pod may run."},
    {CORE "PodSpec", "tolerations", "Taints of a node that do not keep this pod off it."},
    {CORE "PodSpec", "hostname", "The host name seen inside; the pod's name where it is not set."},
    {CORE "PodSpec", "subdomain", "With a headless Service of that name the pod gets a DNS name below it."},
    {CORE "PodSpec", "hostAliases", "Lines to add to /etc/hosts."},
    {CORE "PodSpec", "dnsPolicy", "Where names are looked up; None leaves it to dnsConfig."},
    {CORE "PodSpec", "dnsConfig", "Name servers, search domains and options for /etc/resolv.conf."},
    {CORE "PodSpec", "securityContext", "Users, groups and rights for all containers, unless they have their own."},
    {CORE "PodSpec", "readinessGates", "Conditions that others set, without which the pod is not ready."},
    {CORE "PodSpec", "imagePullSecrets", "Secrets with credentials for registries."},
    {CORE "PodSpec", "priorityClassName", "How important the pod is among others."},
    {CORE "Container", "", "One program of a pod, with its image, its settings and its limits."},
    {CORE "Container", "name", "Unique among the pod's containers."},
    {CORE "Container", "image", "The image to run."},
    {CORE "Container", "imagePullPolicy", "When the image is fetched: Always, IfNotPresent or Never."},
    {CORE "Container", "command", "What to run instead of the image's entry point; $(NAME) stands for a variable."},
    {CORE "Container", "args", "Arguments instead of the image's; $(NAME) stands for a variable."},
    {CORE "Container", "workingDir", "The directory to start in, instead of the image's."},
    {CORE "Container", "ports", "Ports that the program listens on, to be known by name; others can be reached, too."},
    {CORE "Container", "env", "Variables of the environment."},
    {CORE "Container", "envFrom", "ConfigMaps and Secrets all of whose keys become variables."},
    {CORE "Container", "resources", "What the container asks for, and what it may use at most."},
    {CORE "Container", "volumeMounts", "Which volumes appear where in its file system."},
    {CORE "Container", "livenessProbe", "A check that restarts the container when it fails."},
    {CORE "Container", "readinessProbe", "A check that keeps traffic off the pod while it fails."},
    {CORE "Container", "startupProbe", "A check that has to succeed before the two others begin."},
    {CORE "Container", "lifecycle", "What to do after the start and before the end."},
    {CORE "Container", "securityContext", "User, group and rights of this container."},
    {CORE "Container", "restartPolicy", "Always makes a sidecar of an init container; not for others."},
    {CORE "Container", "stdin", "Whether its input is kept open for those who attach."},
    {CORE "Container", "stdinOnce", "Whether the input ends with the first who attached."},
    {CORE "Container", "tty", "Whether it gets a terminal."},
    {CORE "PodStatus", "phase", "Pending, Running, Succeeded or Failed."},
    {CORE "PodStatus", "podIP", "The pod's address inside the cluster."},
    {CORE "PodStatus", "conditions", "Statements such as Ready, with the time since when they hold."},
    {CORE "PodStatus", "containerStatuses",
     "Each container: what it does, how often it was restarted, how it last ended."},
    {CORE "PodTemplateSpec", "", "What the pods look like that are made from it."},
    {CORE "PodTemplateSpec", "metadata", "Labels and annotations of these pods."},
    {CORE "PodTemplateSpec", "spec", "The spec of these pods."},

    {CORE "Service", "", "One name and address for the pods that a selector finds."},
    {CORE "Service", "metadata", "Name, namespace, labels and annotations."},
    {CORE "Service", "spec", "Which pods, and which of their ports, the Service stands for."},
    {CORE "Service", "status", "Addresses from outside, of a LoadBalancer."},
    {CORE "ServiceSpec", "", "Which pods a Service leads to, and how it is reached."},
    {CORE "ServiceSpec", "selector",
     "Labels of the pods that it leads to; without one, who made it tells the endpoints."},
    {CORE "ServiceSpec", "ports", "The ports it has, and where each leads in the pods."},
    {CORE "ServiceSpec", "type", "ClusterIP, NodePort, LoadBalancer or ExternalName: how far it reaches."},
    {CORE "ServiceSpec", "clusterIP", "Its address inside the cluster; None makes it headless: DNS names the pods."},
    {CORE "ServiceSpec", "externalName", "The DNS name that a Service of type ExternalName stands for."},
    {CORE "ServiceSpec", "sessionAffinity", "ClientIP keeps a client with the same pod."},
    {CORE "ServiceSpec", "publishNotReadyAddresses", "Whether pods that are not ready are among the endpoints."},
    {CORE "ServicePort", "", "One port of a Service."},
    {CORE "ServicePort", "name",
     "Unique in the Service; its beginning (http, grpc, tcp...) tells the mesh the protocol."},
    {CORE "ServicePort", "port", "The number that clients use."},
    {CORE "ServicePort", "targetPort", "The number, or the name of a container's port, that it leads to."},
    {CORE "ServicePort", "nodePort", "The port of the node that leads here, 30000 to 32767."},
    {CORE "ServicePort", "protocol", "TCP, UDP or SCTP."},
    {CORE "ServicePort", "appProtocol", "The protocol by name, before what the port's name says."},

    {APPS "Deployment", "", "Keeps so many pods of one template, and goes from one template to the next in steps."},
    {APPS "Deployment", "metadata", "Name, namespace, labels and annotations."},
    {APPS "Deployment", "spec", "How many pods, of which template."},
    {APPS "Deployment", "status", "How many pods there are, up to date and available."},
    {APPS "DeploymentSpec", "", "What a Deployment keeps running."},
    {APPS "DeploymentSpec", "replicas", "How many pods there should be; 1 where it is not said."},
    {APPS "DeploymentSpec", "selector", "The labels by which its pods are known; never changes."},
    {APPS "DeploymentSpec", "template", "The pods to make. A change begins a new rollout."},
    {APPS "DeploymentSpec", "strategy", "How old pods give way to new ones: RollingUpdate or Recreate."},
    {APPS "DeploymentSpec", "minReadySeconds", "How long a new pod must be ready to count as available."},
    {APPS "DeploymentSpec", "revisionHistoryLimit", "How many old templates are kept to go back to."},
    {APPS "DeploymentSpec", "progressDeadlineSeconds",
     "Seconds without progress after which a rollout is called failed."},
    {APPS "DeploymentSpec", "paused", "Whether changes of the template wait."},
    {APPS "ReplicaSet", "", "Keeps so many pods of one template; usually made by a Deployment."},

    {CORE "Namespace", "", "A room for objects: names are unique within it, and it is deleted with all in it."},
    {CORE "ServiceAccount", "", "An identity for the programs in pods."},
    {CORE "ConfigMap", "", "Settings that pods read, as files or as variables."},
    {CORE "ConfigMap", "data", "The settings as text, by key."},
    {CORE "ConfigMap", "binaryData", "Settings that are no text, in base64, by key."},
    {CORE "ConfigMap", "immutable", "Whether they can never change again."},
    {CORE "Secret", "", "As a ConfigMap, for what not everybody may read."},
    {CORE "Secret", "data", "The values in base64, by key."},
    {CORE "Secret", "stringData", "Values as plain text, taken over into data at a write and never shown."},
    {CORE "Secret", "type", "What it is for, e.g. kubernetes.io/tls; decides which keys it must have."},
    {CORE "Secret", "immutable", "Whether it can never change again."},
    {CORE "Node", "", "The machine that pods run on; this cluster has one."},
    {CORE "Event", "", "Something that happened to an object; forgotten after an hour."},
    {CORE "Endpoints", "", "Addresses that a Service leads to, in the old form."},
    {"io.k8s.api.discovery.v1.EndpointSlice", "",
     "Addresses and ports that a Service leads to, and whether each is ready."},
};

}  // namespace

std::span<const Description> descriptions() { return kDescriptions; }

void describe(base::Json& schemas) {
  for (const Description& one : kDescriptions) {
    auto type = schemas.find(std::string(one.type));
    if (type == schemas.end()) continue;
    base::Json* at = &*type;
    if (!one.member.empty()) {
      auto property = (*type)["properties"].find(std::string(one.member));
      if (property == (*type)["properties"].end()) continue;
      at = &*property;
    }
    (*at)["description"] = one.text;
  }
}

}  // namespace localkube
