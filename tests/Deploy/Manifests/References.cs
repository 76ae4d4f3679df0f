namespace Deploy.Manifests;

/// <summary>What manifests say of each other, which no schema sees: names, labels, keys and ports that have to be there.</summary>
internal static class References
{
    public static IEnumerable<string> Check(Rendered rendered) =>
        Selectors(rendered).Concat(Services(rendered)).Concat(Configuration(rendered)).Concat(Volumes(rendered)).Concat(Rights(rendered)).Concat(Namespaces(rendered));

    private static IEnumerable<string> Selectors(Rendered rendered)
    {
        foreach (var (owner, pod) in rendered.Pods())
        {
            if (owner.At("spec/selector/matchLabels").Pairs().Count == 0 || !Labels.Selects(owner.At("spec/selector/matchLabels"), pod))
                yield return $"{owner.Name()}: its selector does not select its own pods";
            var spread = pod.At("spec/topologySpreadConstraints").List.Select(one => one["labelSelector"]);
            var apart = pod.At("spec/affinity/podAntiAffinity/requiredDuringSchedulingIgnoredDuringExecution").List.Select(one => one["labelSelector"]);
            if (spread.Concat(apart).Any(selector => !Labels.Selects(selector["matchLabels"], pod)))
                yield return $"{owner.Name()}: its pods are spread or kept apart by labels that they do not have";
        }

        foreach (var budget in rendered.Of("PodDisruptionBudget"))
        {
            if (rendered.PodsOf(budget.At("spec/selector/matchLabels")).Count != 1)
                yield return $"{budget.Name()}: it has to select the pods of one workload";
        }
    }

    private static IEnumerable<string> Services(Rendered rendered)
    {
        foreach (var service in rendered.Of("Service"))
        {
            var pods = rendered.PodsOf(service.At("spec/selector"));
            if (pods.Count != 1)
                yield return $"{service.Name()}: it has to select the pods of one workload, and selects those of {pods.Count}";
            foreach (var port in service.At("spec/ports").List.Where(port => pods.Any(pod => !Labels.HasPort(pod, port["targetPort"]))))
                yield return $"{service.Name()}: its pods have no port {port["targetPort"].Text}";
        }

        foreach (var (owner, pod) in rendered.Pods().Where(pod => pod.Owner["kind"].Text == "StatefulSet"))
        {
            var service = rendered.Find("Service", owner.At("spec/serviceName").Text);
            if (service.At("spec/clusterIP").Text != "None" || !Labels.Selects(service.At("spec/selector"), pod))
                yield return $"{owner.Name()}: its service {owner.At("spec/serviceName").Text} is not headless, or not for its pods";
        }
    }

    private static IEnumerable<string> Configuration(Rendered rendered)
    {
        foreach (var (owner, _, container) in rendered.Containers())
        {
            foreach (var source in container["env"].List.Select(variable => variable["valueFrom"]))
            {
                foreach (var (kind, reference) in new[] { ("ConfigMap", source["configMapKeyRef"]), ("Secret", source["secretKeyRef"]) })
                {
                    if (reference.IsThere && !rendered.Find(kind, reference["name"].Text)["data"][reference["key"].Text].IsThere)
                        yield return $"{owner.Name()}: there is no {kind} {reference["name"].Text} with a key {reference["key"].Text}";
                }
            }

            foreach (var argument in container["args"].List.Select(argument => argument.Text))
            {
                foreach (var name in Programs.Variables(argument).Where(name => container["env"].List.All(variable => variable["name"].Text != name)))
                    yield return $"{owner.Name()}: {argument} uses a variable {name} that is not set";
            }
        }
    }

    private static IEnumerable<string> Volumes(Rendered rendered)
    {
        foreach (var (owner, pod) in rendered.Pods())
        {
            var volumes = pod.At("spec/volumes").List.ToList();
            var mounts = pod.At("spec/containers").List.SelectMany(container => container["volumeMounts"].List).ToList();
            foreach (var mount in mounts.Where(mount => volumes.TrueForAll(volume => volume["name"].Text != mount["name"].Text)))
                yield return $"{owner.Name()}: {mount["mountPath"].Text} is of a volume {mount["name"].Text} that is not there";
            foreach (var volume in volumes)
            {
                if (mounts.TrueForAll(mount => mount["name"].Text != volume["name"].Text))
                    yield return $"{owner.Name()}: the volume {volume["name"].Text} is not mounted";
                foreach (var (kind, name) in new[]
                {
                    ("PersistentVolumeClaim", volume.At("persistentVolumeClaim/claimName")), ("Secret", volume.At("secret/secretName")), ("ConfigMap", volume.At("configMap/name")),
                })
                {
                    if (name.IsThere && !rendered.Find(kind, name.Text).IsThere)
                        yield return $"{owner.Name()}: there is no {kind} {name.Text}";
                }
            }
        }

        foreach (var (owner, pod, container) in rendered.Containers())
        {
            foreach (var path in Programs.Files(container).Where(path => !IsFile(rendered, pod, container, path)))
                yield return $"{owner.Name()}: nothing brings the file {path} there";
        }

        foreach (var claim in rendered.Of("PersistentVolumeClaim").Where(claim => !rendered.Pods().Any(pod =>
            pod.Pod.At("spec/volumes").List.Any(volume => volume.At("persistentVolumeClaim/claimName").Text == claim.At("metadata/name").Text))))
        {
            yield return $"{claim.Name()}: nobody uses it";
        }
    }

    private static bool IsFile(Rendered rendered, Item pod, Item container, string path)
    {
        var mount = container["volumeMounts"].List.FirstOrDefault(mount => Path.GetDirectoryName(path) == mount["mountPath"].Text);
        var volume = pod.At("spec/volumes").List.FirstOrDefault(volume => volume["name"].Text == mount["name"].Text);
        return rendered.Find("Secret", volume.At("secret/secretName").Text)["data"][Path.GetFileName(path)].IsThere;
    }

    private static IEnumerable<string> Rights(Rendered rendered)
    {
        foreach (var (owner, pod) in rendered.Pods())
        {
            if (!rendered.Find("ServiceAccount", pod.At("spec/serviceAccountName").Text).IsThere)
                yield return $"{owner.Name()}: there is no ServiceAccount {pod.At("spec/serviceAccountName").Text}";
        }

        foreach (var binding in rendered.Of("RoleBinding"))
        {
            if (!rendered.Find(binding.At("roleRef/kind").Text, binding.At("roleRef/name").Text).IsThere)
                yield return $"{binding.Name()}: there is no Role {binding.At("roleRef/name").Text}";
            foreach (var subject in binding["subjects"].List.Where(subject => !rendered.Find("ServiceAccount", subject["name"].Text).IsThere))
                yield return $"{binding.Name()}: there is no ServiceAccount {subject["name"].Text}";
        }

        foreach (var rule in rendered.Of("Role").SelectMany(role => role["rules"].List))
        {
            if (!rule["resourceNames"].List.Any() || rule["resourceNames"].List.Any(name => !rendered.Find("StatefulSet", name.Text).IsThere))
                yield return "Role: a rule is not for one StatefulSet that is there";
        }

        // Only who scales has a token; and has the rights for what it does.
        foreach (var (owner, pod, container) in rendered.Containers())
        {
            var scaled = Programs.Option(rendered, container, "--scale-statefulset");
            if ((pod.At("spec/automountServiceAccountToken").Text == "true") != (scaled is not null))
                yield return $"{owner.Name()}: it has a token of Kubernetes and does not need it, or the other way round";
            if (scaled is null)
                continue;
            foreach (var (resource, verb) in new[] { ("statefulsets/scale", "get"), ("statefulsets/scale", "patch"), ("statefulsets", "watch") })
            {
                if (!May(rendered, pod.At("spec/serviceAccountName").Text, resource, scaled, verb))
                    yield return $"{owner.Name()}: it may not {verb} {resource} of {scaled}";
            }
        }
    }

    private static bool May(Rendered rendered, string account, string resource, string name, string verb) => rendered.Of("RoleBinding")
        .Where(binding => binding["subjects"].List.Any(subject => subject["name"].Text == account))
        .SelectMany(binding => rendered.Find("Role", binding.At("roleRef/name").Text)["rules"].List)
        .Any(rule => Has(rule, "apiGroups", "apps") && Has(rule, "resources", resource) && Has(rule, "resourceNames", name) && Has(rule, "verbs", verb));

    private static bool Has(Item rule, string list, string value) => rule[list].List.Any(item => item.Text == value);

    private static IEnumerable<string> Namespaces(Rendered rendered) => rendered.Objects
        .Where(item => item["kind"].Text != "Namespace" && !rendered.Find("Namespace", item.At("metadata/namespace").Text).IsThere)
        .Select(item => $"{item.Name()}: there is no namespace {item.At("metadata/namespace").Text}");
}
