using System.Collections.Concurrent;
using YamlDotNet.RepresentationModel;

namespace Deploy.Manifests;

/// <summary>What a cluster would be given: all objects of an overlay.</summary>
internal sealed class Rendered
{
    public static readonly string[] Overlays = ["local-cpu", "gpu", "ha-postgres", "production"];

    /// <summary>Files that are not in the repository, with values that are nobody's.</summary>
    private static readonly (string Path, string Text)[] Secrets =
    [
        ("base/secrets/admin-token", "admin"), ("base/secrets/join-token", "join"),
        ("base/secrets/tls.crt", "certificate"), ("base/secrets/tls.key", "key"), ("base/secrets/ca.crt", "authority"),
        ("components/postgres/secrets/database-uri", "postgresql://linformer@db/linformer"),
    ];

    private static readonly ConcurrentDictionary<string, Task<string>> Texts = new(StringComparer.Ordinal);

    private readonly List<Item> _objects;

    public Rendered(string yaml)
    {
        var stream = new YamlStream();
        stream.Load(new StringReader(yaml));
        _objects = [.. stream.Documents.Select(document => new Item(document.RootNode))];
    }

    public IReadOnlyList<Item> Objects => _objects;

    public static async Task<Rendered> OfAsync(string overlay) => new(await Texts.GetOrAdd(overlay, RenderAsync));

    /// <summary>Renders a copy, with or without the secrets.</summary>
    public static async Task<Ran> KustomizeAsync(string overlay, bool withSecrets = true)
    {
        var copy = Directory.CreateTempSubdirectory("linformer-manifests-");
        try
        {
            foreach (var file in Directory.EnumerateFiles(Repository.Manifests, "*", SearchOption.AllDirectories))
            {
                var relative = Path.GetRelativePath(Repository.Manifests, file);
                if (relative.Split('/').Contains("secrets"))
                    continue;
                Directory.CreateDirectory(Path.GetDirectoryName(Path.Combine(copy.FullName, relative))!);
                File.Copy(file, Path.Combine(copy.FullName, relative));
            }

            foreach (var (path, text) in withSecrets ? Secrets : [])
            {
                Directory.CreateDirectory(Path.GetDirectoryName(Path.Combine(copy.FullName, path))!);
                await File.WriteAllTextAsync(Path.Combine(copy.FullName, path), text);
            }

            return await Repository.RunAsync(Kubectl.Program, ["kustomize", Path.Combine(copy.FullName, "overlays", overlay)]);
        }
        finally
        {
            copy.Delete(recursive: true);
        }
    }

    public IEnumerable<Item> Of(string kind) => _objects.Where(item => item["kind"].Text == kind);

    public Item Find(string kind, string name) => Of(kind).FirstOrDefault(item => item.At("metadata/name").Text == name);

    /// <summary>Everything that makes pods, with its pod template.</summary>
    public IEnumerable<(Item Owner, Item Pod)> Pods() =>
        _objects.Where(item => item["kind"].Text is "Deployment" or "StatefulSet" or "Job" or "DaemonSet").Select(item => (item, item.At("spec/template")));

    public IEnumerable<(Item Owner, Item Pod, Item Container)> Containers() =>
        from pod in Pods()
        from list in new[] { "initContainers", "containers" }
        from container in pod.Pod["spec"][list].List
        select (pod.Owner, pod.Pod, container);

    /// <summary>Sets a field, below what is there.</summary>
    public void Set(string kind, string name, string path, string? value)
    {
        var item = Find(kind, name);
        item.IsThere.ShouldBeTrue($"there is no {kind} {name} to change");
        var slash = path.LastIndexOf('/');
        var parent = slash < 0 ? item : item.At(path[..slash]);
        var last = path[(slash + 1)..].Replace('|', '/');
        switch (parent.Node)
        {
            case YamlMappingNode mapping when value is null:
                mapping.Children.Remove(last).ShouldBeTrue($"{kind} {name} has no {path}");
                break;
            case YamlMappingNode mapping:
                mapping.Children[last] = new YamlScalarNode(value);
                break;
            case YamlSequenceNode sequence:
                var place = Item.Place(sequence, last);
                place.ShouldBeGreaterThanOrEqualTo(0, $"{kind} {name} has no {path}");
                if (value is null)
                    sequence.Children.RemoveAt(place);
                else
                    sequence.Children[place] = new YamlScalarNode(value);
                break;
            default:
                throw new InvalidOperationException($"{kind} {name} has no {path}");
        }
    }

    public void Remove(string kind, string name) => _objects.RemoveAll(item => item["kind"].Text == kind && item.At("metadata/name").Text == name).ShouldBeGreaterThan(0);

    private static async Task<string> RenderAsync(string overlay)
    {
        var ran = await KustomizeAsync(overlay);
        ran.ExitCode.ShouldBe(0, ran.Error);
        ran.Error.ShouldBeEmpty();
        return ran.Output;
    }
}
