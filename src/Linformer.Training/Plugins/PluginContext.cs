using System.Text.Json;
using System.Text.Json.Serialization;
using Linformer.Model;
using Linformer.Model.Files;
using static TorchSharp.torch;

namespace Linformer.Training.Plugins;

/// <summary>What a task of one's own is made from. The same on all ranks, but for where folders are mounted.</summary>
public sealed record PluginContext
{
    // A field that the settings' type does not have is a slip of the pen.
    private static readonly JsonSerializerOptions SettingsOptions = new(JsonSerializerDefaults.Web)
    {
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
        RespectNullableAnnotations = true,
        RespectRequiredConstructorParameters = true,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.KebabCaseLower) },
    };

    /// <summary>Where the model lives, and its inputs.</summary>
    public required Device Device { get; init; }

    /// <summary>How the job trains: seed, steps, batches, precision.</summary>
    public required TrainingOptions Training { get; init; }

    /// <summary>The storage root, which all workers share.</summary>
    public required string StorageRoot { get; init; }

    /// <summary>The job file's <c>plugin.settings</c>, an object.</summary>
    public required JsonElement Settings { get; init; }

    /// <summary>The folder with token shards and tokenizer, if the job file has a corpus; null otherwise.</summary>
    public string? CorpusFolder { get; init; }

    /// <summary>Seed of everything that is drawn.</summary>
    public long Seed => Training.Seed;

    /// <summary>What to compute in; parameters are float32 in any case. A task may do without bf16.</summary>
    public Precision Precision => Training.Precision;

    /// <summary>The settings as a type of one's own: names in camelCase, those of enum values as in <c>some-value</c>.</summary>
    /// <typeparam name="TSettings">The type; a field of the settings that it does not have is an error.</typeparam>
    /// <exception cref="PluginException">They are not what the type says; the message names the field.</exception>
    public TSettings SettingsAs<TSettings>()
    {
        try
        {
            return Settings.Deserialize<TSettings>(SettingsOptions)!;
        }
        catch (JsonException e)
        {
            var place = e.Path is { Length: > 2 } path ? $".{path[2..]}" : "";
            throw new PluginException($"plugin.settings{place}: {e.Message.Split(" Path:", 2)[0]}", e);
        }
    }

    /// <summary>Where a file or folder below the storage root lies on this machine.</summary>
    /// <param name="relative">Its path, relative to the root, with slashes.</param>
    /// <exception cref="PluginException">The path leads out of the root, links included.</exception>
    /// <exception cref="IOException">Links lead in a circle.</exception>
    public string PathOf(string relative)
    {
        try
        {
            return ConfinedPath.Resolve(StorageRoot, relative);
        }
        catch (PathEscapeException e)
        {
            throw new PluginException(e.Message, e);
        }
    }
}
