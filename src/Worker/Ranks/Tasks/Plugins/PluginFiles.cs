using System.Security.Cryptography;
using System.Text.Json;
using Linformer.Training.Plugins;
using Linformer.Worker.Jobs;

namespace Linformer.Worker.Ranks.Tasks.Plugins;

/// <summary>
/// Which files a job's plug-in is: the assembly and those beside it. The first rank of the job writes them down in the job's folder, which all
/// of its ranks share, and whoever starts later must find the same, on whatever machine: ranks that run different code would train apart.
/// </summary>
internal static class PluginFiles
{
    private const int ShownHash = 12;

    private static readonly JsonSerializerOptions Options = new(JsonSerializerDefaults.Web)
    {
        WriteIndented = true,
        NewLine = "\n",
        RespectNullableAnnotations = true,
        RespectRequiredConstructorParameters = true,
    };

    /// <summary>Compares them with what the job began with, or writes them down if this rank is the first.</summary>
    /// <param name="path">The assembly on this machine.</param>
    /// <param name="shown">The assembly as the job file names it.</param>
    /// <param name="root">The storage root on this machine.</param>
    /// <param name="runFolder">The job's folder; made if missing.</param>
    /// <exception cref="PluginException">The assembly is not there, or a file is missing or another one here; the message names it.</exception>
    /// <exception cref="IOException">A file cannot be read, or the folder not be written.</exception>
    public static void Check(string path, string shown, string root, string runFolder)
    {
        if (!File.Exists(path))
        {
            throw new PluginException($"plugin.assembly: there is no file {shown} below the storage root, which on this worker is {root}. All workers must have the same file there.");
        }

        var folder = Path.GetDirectoryName(path)!;
        var own = Hashes(folder, path);
        var begun = ReadOrWrite(Path.Combine(runFolder, StorageLayout.PluginFilesName), new Record(Environment.MachineName, own));
        foreach (var (name, hash) in begun.Files.OrderBy(file => file.Key != Path.GetFileName(path)).ThenBy(file => file.Key, StringComparer.Ordinal))
        {
            var file = name == Path.GetFileName(path) ? shown : Path.Combine(Path.GetDirectoryName(shown)!, name);
            var found = own.GetValueOrDefault(name);
            if (found != hash)
            {
                var what = found is null ? "is missing on this worker" : $"of this worker is another one (SHA-256 {Short(found)})";
                throw new PluginException(
                    $"The file {file} {what}: the job began on machine {begun.Machine} with one of SHA-256 {Short(hash)}. "
                    + "All workers must have the same files, for as long as the job runs. Put it back, or submit a job for the new one: a folder for each build.");
            }
        }
    }

    // What lies beside it and is loaded for it; other files may be data that change.
    private static Dictionary<string, string> Hashes(string folder, string assembly) => Directory.EnumerateFiles(folder, "*.dll")
        .Append(assembly)
        .Distinct(StringComparer.Ordinal)
        .ToDictionary(file => Path.GetFileName(file), HashOf, StringComparer.Ordinal);

    private static string Short(string hash) => hash.Length > ShownHash ? $"{hash[..ShownHash]}…" : hash;

    private static string HashOf(string path)
    {
        using var file = File.OpenRead(path);
        return Convert.ToHexStringLower(SHA256.HashData(file));
    }

    // Of several that write at once, one is first, and all go by what it wrote.
    private static Record ReadOrWrite(string path, Record own)
    {
        if (!File.Exists(path))
        {
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            var temporary = $"{path}.tmp-{Guid.NewGuid():N}";
            try
            {
                File.WriteAllText(temporary, JsonSerializer.Serialize(own, Options) + "\n");
                File.Move(temporary, path, overwrite: false);
                return own;
            }
            catch (IOException) when (File.Exists(path))
            {
                // Another rank was first.
            }
            finally
            {
                File.Delete(temporary);
            }
        }

        try
        {
            return JsonSerializer.Deserialize<Record>(File.ReadAllText(path), Options) ?? throw new JsonException("it is empty");
        }
        catch (JsonException e)
        {
            throw new PluginException($"{path}, which says what the job's plug-in is, is damaged: {e.Message} Delete it to have it written again.", e);
        }
    }

    /// <summary>What a job began with.</summary>
    /// <param name="Machine">Where the rank ran that was first.</param>
    /// <param name="Files">SHA-256 of each file, by its name.</param>
    private sealed record Record(string Machine, IReadOnlyDictionary<string, string> Files);
}
