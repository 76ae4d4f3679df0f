using System.Reflection.Metadata;
using System.Reflection.Metadata.Ecma335;
using System.Reflection.PortableExecutable;
using Linformer.Protocol;
using Linformer.Worker.RankProtocol;
using Linformer.Worker.Ranks;
using static TorchSharp.torch;

namespace Linformer.Worker.Tests.Plugins;

/// <summary>A storage root with the assembly of test tasks in it, deleted after the test.</summary>
public sealed class PluginFolder : IDisposable
{
    public const string Assembly = "plugins/line/Linformer.Worker.TestPlugin.dll";

    private readonly DirectoryInfo _root = Directory.CreateTempSubdirectory("linformer-plugin-");

    public PluginFolder()
    {
        Directory.CreateDirectory(Path.GetDirectoryName(PathOf(Assembly))!);
        File.Copy(Path.Combine(AppContext.BaseDirectory, Path.GetFileName(Assembly)), PathOf(Assembly));
    }

    public string ModelFolder => PathOf("model");

    public string PathOf(string relative) => Path.Combine(_root.FullName, relative);

    public static JobFile Job(string type, string settings = "{}", string assembly = Assembly, string more = "") => JobFileParser.Parse(
        $$"""
        name: line
        task: plugin
        plugin: { assembly: {{assembly}}, {{(type.Length > 0 ? $"type: {type}," : "")}} settings: {{settings}} }
        training: { steps: 40, globalBatch: 16, microBatch: 4, learningRate: 0.3, warmupSteps: 0, weightDecay: 0, precision: fp32, seed: 7 }
        {{more}}
        """,
        "line.yaml").OrThrow();

    /// <summary>Loads a job as a rank process does.</summary>
    public LoadedJob Load(JobFile job, bool allowed = true) =>
        new(new StartMessage(1, 1, job.ToJson(), _root.FullName, "", PathOf("run"), ModelFolder, AllowPlugins: allowed), CPU);

    public LoadedJob Load(string type, string settings = "{}") => Load(Job($"Linformer.Worker.TestPlugin.{type}", settings));

    /// <summary>Makes the assembly one that was built against another version of one that it needs.</summary>
    public void ChangeReference(string name, Version version)
    {
        var bytes = File.ReadAllBytes(PathOf(Assembly));
        using (var file = new PEReader(new MemoryStream(bytes)))
        {
            var metadata = file.GetMetadataReader();
            var reference = metadata.AssemblyReferences.Single(handle => metadata.GetString(metadata.GetAssemblyReference(handle).Name) == name);
            // A row begins with the four parts of the version, two bytes each.
            var row = metadata.GetTableMetadataOffset(TableIndex.AssemblyRef) + ((MetadataTokens.GetRowNumber(reference) - 1) * metadata.GetTableRowSize(TableIndex.AssemblyRef));
            var at = file.PEHeaders.MetadataStartOffset + row;
            foreach (var part in (int[])[version.Major, version.Minor, version.Build, version.Revision])
            {
                BitConverter.GetBytes((ushort)part).CopyTo(bytes, at);
                at += 2;
            }
        }

        File.WriteAllBytes(PathOf(Assembly), bytes);
    }

    public void Dispose() => _root.Delete(recursive: true);
}
