using System.Text.Json;
using Deploy.Manifests;

namespace Deploy;

/// <summary>The rendered manifests of every overlay: against the schemas, and against each other and the programs.</summary>
public class ManifestTests
{
    public static TheoryData<string> Overlays => [.. Rendered.Overlays];

    [SkippableTheory, MemberData(nameof(Overlays))]
    public async Task Every_object_is_as_Kubernetes_knows_it(string overlay)
    {
        Kubectl.SkipWithout();
        var rendered = await Rendered.OfAsync(overlay);

        (await Schemas.ComplaintsAsync(rendered)).ShouldBeEmpty();
        rendered.Objects.Count.ShouldBeGreaterThan(15);
    }

    [SkippableTheory, MemberData(nameof(Overlays))]
    public async Task What_refers_to_something_finds_it(string overlay)
    {
        Kubectl.SkipWithout();

        References.Check(await Rendered.OfAsync(overlay)).ShouldBeEmpty();
    }

    [SkippableTheory, MemberData(nameof(Overlays))]
    public async Task Arguments_ports_and_images_are_the_programs(string overlay)
    {
        Kubectl.SkipWithout();

        Programs.Check(await Rendered.OfAsync(overlay)).ShouldBeEmpty();
    }

    [SkippableTheory, MemberData(nameof(Overlays))]
    public async Task Pods_are_locked_in_and_others_locked_out(string overlay)
    {
        Kubectl.SkipWithout();

        Hardening.Check(await Rendered.OfAsync(overlay)).ShouldBeEmpty();
    }

    [SkippableTheory, MemberData(nameof(Overlays))]
    public async Task Without_the_secrets_nothing_is_rendered(string overlay)
    {
        Kubectl.SkipWithout();
        var ran = await Rendered.KustomizeAsync(overlay, withSecrets: false);

        ran.ExitCode.ShouldNotBe(0);
        ran.Error.ShouldContain("secrets/");
        ran.Output.ShouldBeEmpty();
    }

    [SkippableFact]
    public async Task Overlays_are_what_they_say()
    {
        Kubectl.SkipWithout();
        var (local, gpu, ha) = (await Rendered.OfAsync("local-cpu"), await Rendered.OfAsync("gpu"), await Rendered.OfAsync("ha-postgres"));
        var production = await Rendered.OfAsync("production");

        foreach (var overlay in new[] { gpu, production })
        {
            Container(overlay, "StatefulSet", "linformer-worker").At("resources/limits")["nvidia.com/gpu"].Text.ShouldBe("1");
            Container(overlay, "StatefulSet", "linformer-worker")["image"].Text.ShouldStartWith("linformer-worker-cuda:");
        }

        Container(local, "StatefulSet", "linformer-worker")["image"].Text.ShouldStartWith("linformer-worker-cpu:");
        foreach (var overlay in new[] { ha, production })
        {
            overlay.Find("Deployment", "linformer-coordinator").At("spec/replicas").Text.ShouldBe("2");
            overlay.Find("Deployment", "linformer-coordinator").At("spec/template/spec/affinity/podAntiAffinity").IsThere.ShouldBeTrue();
            // Claims of one node cannot be shared by two coordinators.
            overlay.Of("PersistentVolumeClaim").SelectMany(claim => claim.At("spec/accessModes").List).Select(mode => mode.Text).ShouldBe(["ReadWriteMany"]);
            Container(overlay, "Deployment", "linformer-coordinator").At("env/LINFORMER_DATABASE").IsThere.ShouldBeTrue();
        }

        foreach (var overlay in new[] { local, gpu, ha, production })
        {
            overlay.Find("StatefulSet", "linformer-worker").At("spec/podManagementPolicy").Text.ShouldBe("Parallel");
            overlay.Find("StatefulSet", "linformer-worker").At("spec/replicas").IsThere.ShouldBeFalse("an apply would undo what the coordinator has scaled");
        }
    }

    private static Item Container(Rendered rendered, string kind, string name) => rendered.Find(kind, name).At("spec/template/spec/containers/0");
}

/// <summary>The schemas of the npm package kubernetes-models.</summary>
internal static class Schemas
{
    public static async Task<string[]> ComplaintsAsync(Rendered rendered)
    {
        var node = Repository.Find("node");
        Skip.If(node is null || !Directory.Exists(Path.Combine(Repository.NpmModules, "kubernetes-models")), "node or the npm package kubernetes-models is not there");
        var json = JsonSerializer.Serialize(rendered.Objects.Select(item => item.ToValue()));
        var ran = await Repository.RunAsync(node, [Path.Combine(Repository.Root, "tests", "Deploy", "validate-manifests.cjs"), Repository.NpmModules], json);
        ran.ExitCode.ShouldBe(0, ran.Error);
        return JsonSerializer.Deserialize<string[]>(ran.Output)!;
    }
}
