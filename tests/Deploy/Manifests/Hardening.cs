namespace Deploy.Manifests;

/// <summary>What keeps others out, and a pod in.</summary>
internal static class Hardening
{
    public static IEnumerable<string> Check(Rendered rendered) => Containment(rendered).Concat(Policies(rendered)).Concat(RankPorts(rendered));

    private static IEnumerable<string> Containment(Rendered rendered)
    {
        foreach (var (owner, pod, container) in rendered.Containers())
        {
            var (podContext, context) = (pod.At("spec/securityContext"), container["securityContext"]);
            var restricted = podContext["runAsNonRoot"].Text == "true"
                && podContext["runAsUser"].Text is not ("" or "0")
                && podContext.At("seccompProfile/type").Text == "RuntimeDefault"
                && context["allowPrivilegeEscalation"].Text == "false"
                && context.At("capabilities/drop/0").Text == "ALL";
            if (!restricted)
                yield return $"{owner.Name()}: it is not restricted";
            if (context["readOnlyRootFilesystem"].Text != "true" || Volume(pod, container, "/tmp")["emptyDir"].Node is null)
                yield return $"{owner.Name()}: its root file system is not read-only with a /tmp of its own";
            if (!container.At("resources/requests/cpu").IsThere || !container.At("resources/requests/memory").IsThere || !container.At("resources/limits/memory").IsThere)
                yield return $"{owner.Name()}: it does not say what it needs and takes at most";
            if (container["env"].List.Any(variable => variable["value"].IsThere && variable["name"].Text.Contains("TOKEN", StringComparison.Ordinal)))
                yield return $"{owner.Name()}: a secret is in its environment";
        }

        if (rendered.Of("Namespace").Any(one => one.At("metadata/labels")["pod-security.kubernetes.io/enforce"].Text != "restricted"))
            yield return "Namespace: it does not enforce the restricted profile";
    }

    private static Item Volume(Item pod, Item container, string path)
    {
        var name = container["volumeMounts"].List.FirstOrDefault(mount => mount["mountPath"].Text == path)["name"].Text;
        return pod.At("spec/volumes").List.FirstOrDefault(volume => volume["name"].Text == name);
    }

    private static IEnumerable<string> Policies(Rendered rendered)
    {
        if (!rendered.Of("NetworkPolicy").Any(policy => IsForAll(policy) && policy.At("spec/policyTypes").List.Select(type => type.Text).ToHashSet().SetEquals(["Ingress", "Egress"])))
            yield return "NetworkPolicy: nothing denies what is not allowed";
        foreach (var policy in rendered.Of("NetworkPolicy"))
        {
            var own = rendered.PodsOf(policy.At("spec/podSelector/matchLabels"));
            if (own.Count == 0)
                yield return $"{policy.Name()}: it selects no pod";
            foreach (var direction in new[] { "ingress", "egress" })
            {
                foreach (var rule in policy["spec"][direction].List)
                {
                    var peers = rule[direction == "ingress" ? "from" : "to"].List.ToList();
                    var inside = peers.Where(peer => peer["podSelector"].IsThere && !peer["namespaceSelector"].IsThere).ToList();
                    foreach (var peer in inside.Where(peer => rendered.PodsOf(peer.At("podSelector/matchLabels")).Count == 0))
                        yield return $"{policy.Name()}: a rule is for pods that are not there";
                    var listening = direction == "ingress" ? own : inside.SelectMany(peer => rendered.PodsOf(peer.At("podSelector/matchLabels"))).ToList();
                    // The ports of others, such as DNS, are not to be found here.
                    if (listening.Count > 0 && rule["ports"].List.Any(port => listening.Any(pod => !Labels.HasPort(pod, port["port"]))))
                        yield return $"{policy.Name()}: a rule is for a port that its pods do not have";
                }
            }
        }
    }

    /// <summary>The ranks' ports ask nobody who they are, so nobody but workers may reach them.</summary>
    private static IEnumerable<string> RankPorts(Rendered rendered)
    {
        var worker = rendered.Find("StatefulSet", "linformer-worker").At("spec/template");
        foreach (var policy in rendered.Of("NetworkPolicy").Where(policy => Labels.Selects(policy.At("spec/podSelector/matchLabels"), worker)))
        {
            foreach (var rule in policy.At("spec/ingress").List.Where(rule => !rule["ports"].List.Any() || rule["ports"].List.Any(port => port["port"].Text != "health")))
            {
                var peers = rule["from"].List.ToList();
                if (peers.Count == 0 || peers.Exists(peer => peer.Map.Count() != 1 || !IsWorkerOnly(rendered, peer.At("podSelector/matchLabels"))))
                    yield return $"{policy.Name()}: others than workers reach the ranks";
            }
        }

        var reach = rendered.Of("NetworkPolicy").Any(policy => Labels.Selects(policy.At("spec/podSelector/matchLabels"), worker)
            && policy.At("spec/ingress").List.Any(rule => !rule["ports"].List.Any() && rule["from"].List.Any(peer => IsWorkerOnly(rendered, peer.At("podSelector/matchLabels")))));
        if (!reach)
            yield return "NetworkPolicy: workers do not reach each other's ranks";
    }

    private static bool IsWorkerOnly(Rendered rendered, Item labels) =>
        labels.Pairs().Count > 0 && rendered.Pods().Where(pod => Labels.Selects(labels, pod.Pod)).Select(pod => pod.Owner.At("metadata/name").Text).SequenceEqual(["linformer-worker"]);

    private static bool IsForAll(Item policy) => policy.At("spec/podSelector").IsThere && !policy.At("spec/podSelector").Map.Any();
}
