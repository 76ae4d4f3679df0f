using Deploy.Manifests;

namespace Deploy;

/// <summary>Each rule notices what it is there for: manifests that are broken in one place, and what is then complained of.</summary>
public class BrokenManifestTests
{
    private const string Pod = "spec/template/spec";
    private const string Container = Pod + "/containers/0";

    [SkippableTheory]
    [InlineData("Deployment", "linformer-coordinator", "spec/selector/matchLabels/app.kubernetes.io|component", "other", "does not select its own pods")]
    [InlineData("Deployment", "linformer-coordinator", "spec/template/metadata/labels/app.kubernetes.io|component", "other", "has to select the pods of one workload")]
    [InlineData("StatefulSet", "linformer-worker", Pod + "/topologySpreadConstraints/0/labelSelector/matchLabels/app.kubernetes.io|component", "x", "spread")]
    [InlineData("PodDisruptionBudget", "linformer-worker", "spec/selector/matchLabels/app.kubernetes.io|component", "x", "PodDisruptionBudget linformer-worker")]
    [InlineData("Service", "linformer-coordinator", "spec/selector/app.kubernetes.io|component", "x", "Service linformer-coordinator")]
    [InlineData("Service", "linformer-coordinator", "spec/ports/grpc/targetPort", "rest", "have no port rest")]
    [InlineData("Service", "linformer-ranks", "spec/clusterIP", null, "not headless")]
    [InlineData("StatefulSet", "linformer-worker", "spec/serviceName", "other", "its service other")]
    [InlineData("StatefulSet", "linformer-worker", Container + "/env/DEVICE/valueFrom/configMapKeyRef/key", "NOTHING", "with a key NOTHING")]
    [InlineData("Deployment", "linformer-coordinator", Container + "/env/SCALE_MIN/valueFrom/configMapKeyRef/name", "other", "no ConfigMap other")]
    [InlineData("StatefulSet", "linformer-worker", Container + "/args/--name", "--name=$(POD)", "a variable POD that is not set")]
    [InlineData("StatefulSet", "linformer-worker", Container + "/volumeMounts/data/name", "other", "a volume other that is not there")]
    [InlineData("StatefulSet", "linformer-worker", Container + "/volumeMounts/tmp", null, "the volume tmp is not mounted")]
    [InlineData("StatefulSet", "linformer-worker", Pod + "/volumes/data/persistentVolumeClaim/claimName", "other", "no PersistentVolumeClaim other")]
    [InlineData("StatefulSet", "linformer-worker", Pod + "/volumes/ca/secret/secretName", "other", "no Secret other")]
    [InlineData("StatefulSet", "linformer-worker", Container + "/args/--ca", "--ca=/etc/linformer/ca/other.crt", "nothing brings the file /etc/linformer/ca/other.crt")]
    [InlineData("StatefulSet", "linformer-worker", Pod + "/serviceAccountName", "other", "no ServiceAccount other")]
    [InlineData("StatefulSet", "linformer-worker", Pod + "/automountServiceAccountToken", "true", "does not need it")]
    [InlineData("RoleBinding", "linformer-scaling", "roleRef/name", "other", "no Role other")]
    [InlineData("RoleBinding", "linformer-scaling", "subjects/linformer-coordinator/name", "other", "no ServiceAccount other")]
    [InlineData("Role", "linformer-scaling", "rules/0/resourceNames/linformer-worker", "other", "not for one StatefulSet")]
    [InlineData("Role", "linformer-scaling", "rules/0/verbs/patch", null, "may not patch statefulsets/scale")]
    [InlineData("Role", "linformer-scaling", "rules/1/verbs/watch", "list", "may not watch statefulsets")]
    [InlineData("Secret", "linformer-tls", "metadata/namespace", "other", "no namespace other")]
    public async Task References_that_lead_nowhere(string kind, string name, string path, string? value, string complaint) =>
        (await BreakAsync(References.Check, kind, name, path, value)).ShouldContain(line => line.Contains(complaint));

    [SkippableTheory]
    [InlineData("StatefulSet", "linformer-worker", Container + "/args/--coordinator", "--leader=https://linformer-coordinator:7070", "--leader")]
    [InlineData("StatefulSet", "linformer-worker", Container + "/args/--coordinator", "--coordinator=https://other:7070", "no service is at")]
    [InlineData("StatefulSet", "linformer-worker", Container + "/args/--coordinator", "--coordinator=https://linformer-coordinator:7071", "no service is at")]
    [InlineData("StatefulSet", "linformer-worker", Container + "/args/--coordinator", "--coordinator=http://linformer-coordinator:7070", "no service is at")]
    [InlineData("Deployment", "linformer-coordinator", Container + "/args/--listen", "--listen=*:7077", "--listen=*:7077 is not the container's port")]
    [InlineData("Deployment", "linformer-coordinator", Container + "/args/--health", "--health=*:7077", "--health=*:7077 is not the container's port")]
    [InlineData("Deployment", "linformer-coordinator", Container + "/readinessProbe/httpGet/path", "/healthz", "readinessProbe")]
    [InlineData("Deployment", "linformer-coordinator", Container + "/livenessProbe/httpGet/port", "grpc", "livenessProbe")]
    [InlineData("StatefulSet", "linformer-worker", Pod + "/terminationGracePeriodSeconds", "60", "grace period")]
    [InlineData("Deployment", "linformer-coordinator", Pod + "/terminationGracePeriodSeconds", "5", "grace period")]
    [InlineData("StatefulSet", "linformer-worker", Container + "/command", "sh", "SIGTERM")]
    [InlineData("Deployment", "linformer-coordinator", "spec/replicas", "2", "deadline")]
    [InlineData("StatefulSet", "linformer-worker", Container + "/image", "linformer-other:0.1.0", "no Dockerfile of linformer-other")]
    [InlineData("StatefulSet", "linformer-worker", Container + "/image", "linformer-worker-cpu:0.0.1", "is not of version")]
    [InlineData("StatefulSet", "linformer-worker", Container + "/resources/limits/nvidia.com|gpu", "1", "nvidia.com/gpu")]
    public async Task Programs_that_would_not_start(string kind, string name, string path, string? value, string complaint) =>
        (await BreakAsync(Programs.Check, kind, name, path, value)).ShouldContain(line => line.Contains(complaint));

    [SkippableTheory]
    [InlineData("StatefulSet", "linformer-worker", Container + "/securityContext/readOnlyRootFilesystem", "false", "not read-only")]
    [InlineData("StatefulSet", "linformer-worker", Container + "/securityContext/allowPrivilegeEscalation", "true", "not restricted")]
    [InlineData("StatefulSet", "linformer-worker", Container + "/securityContext/capabilities", null, "not restricted")]
    [InlineData("StatefulSet", "linformer-worker", Pod + "/securityContext/runAsUser", "0", "not restricted")]
    [InlineData("Deployment", "linformer-coordinator", Pod + "/securityContext/seccompProfile/type", "Unconfined", "not restricted")]
    [InlineData("Deployment", "linformer-coordinator", Container + "/resources/limits", null, "takes at most")]
    [InlineData("Namespace", "linformer", "metadata/labels/pod-security.kubernetes.io|enforce", "baseline", "restricted profile")]
    [InlineData("NetworkPolicy", "linformer-default-deny", "spec/policyTypes/Egress", null, "nothing denies")]
    [InlineData("NetworkPolicy", "linformer-coordinator", "spec/podSelector/matchLabels/app.kubernetes.io|component", "x", "selects no pod")]
    [InlineData("NetworkPolicy", "linformer-coordinator", "spec/ingress/0/from/0/podSelector/matchLabels/app.kubernetes.io|component", "x", "pods that are not there")]
    [InlineData("NetworkPolicy", "linformer-coordinator", "spec/ingress/0/ports/0/port", "rest", "a port that its pods do not have")]
    [InlineData("NetworkPolicy", "linformer-worker", "spec/egress/1/ports/0/port", "rest", "a port that its pods do not have")]
    [InlineData("NetworkPolicy", "linformer-worker", "spec/ingress/0/from", null, "others than workers reach the ranks")]
    [InlineData("NetworkPolicy", "linformer-worker", "spec/ingress/0/from/0/podSelector/matchLabels/app.kubernetes.io|component", null, "others than workers reach the ranks")]
    [InlineData("NetworkPolicy", "linformer-health", "spec/ingress/0/ports", null, "others than workers reach the ranks")]
    [InlineData("NetworkPolicy", "linformer-worker", "spec/ingress/0", null, "do not reach each other")]
    public async Task Doors_that_are_open(string kind, string name, string path, string? value, string complaint) =>
        (await BreakAsync(Hardening.Check, kind, name, path, value)).ShouldContain(line => line.Contains(complaint));

    [SkippableTheory]
    [InlineData("StatefulSet", "linformer-worker", Container + "/argz", "x", "/spec/template/spec/containers/0/argz is no field")]
    [InlineData("StatefulSet", "linformer-worker", Container + "/name", null, "name")]
    [InlineData("StatefulSet", "linformer-worker", "spec/podManagementPolicy", "7", "podManagementPolicy")]
    [InlineData("NetworkPolicy", "linformer-worker", "spec/ingres", "x", "/spec/ingres is no field")]
    [InlineData("PodDisruptionBudget", "linformer-worker", "apiVersion", "policy/v7", "has no such kind")]
    public async Task Fields_that_Kubernetes_does_not_know(string kind, string name, string path, string? value, string complaint)
    {
        Kubectl.SkipWithout();
        var rendered = await Rendered.OfAsync("local-cpu");
        rendered.Set(kind, name, path, value);

        (await Schemas.ComplaintsAsync(rendered)).ShouldContain(line => line.Contains(complaint));
    }

    [SkippableTheory]
    [InlineData("gpu", "ConfigMap", "nvidia.com/gpu")]
    [InlineData("production", "ConfigMap", "nvidia.com/gpu")]
    [InlineData("ha-postgres", "Secret", "no Secret linformer-database")]
    [InlineData("production", "Secret", "no Secret linformer-database")]
    public async Task An_object_that_is_missing(string overlay, string kind, string complaint)
    {
        Kubectl.SkipWithout();
        var rendered = await Rendered.OfAsync(overlay);
        rendered.Remove(kind, kind == "Secret" ? "linformer-database" : rendered.Of("ConfigMap").Single().At("metadata/name").Text);

        References.Check(rendered).Concat(Programs.Check(rendered)).ShouldContain(line => line.Contains(complaint));
    }

    private static async Task<List<string>> BreakAsync(Func<Rendered, IEnumerable<string>> check, string kind, string name, string path, string? value)
    {
        Kubectl.SkipWithout();
        var rendered = await Rendered.OfAsync("local-cpu");
        rendered.Set(kind, name, path, value);
        return [.. check(rendered)];
    }
}
