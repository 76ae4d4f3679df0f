namespace Linformer.Protocol;

/// <summary>Section `plugin`: a task of your own, from an assembly.</summary>
public sealed record PluginSection
{
    /// <summary>The assembly (`.dll`), relative to the storage root; what it needs lies in the same folder.</summary>
    [Field(Format = TextFormat.RelativePath)]
    public required string Assembly { get; init; }

    /// <summary>Full name of the class that makes the task (an `ITrainingTaskFactory`). Not needed if the assembly has only one.</summary>
    [Field(Format = TextFormat.Line)]
    public string? Type { get; init; }

    /// <summary>Fields of your own, of any form, which the task is given as JSON.</summary>
    [Field]
    public FreeFields Settings { get; init; } = FreeFields.None;
}

/// <summary>A mapping in the job file of which only its reader knows the fields.</summary>
/// <param name="Json">It, as a JSON object.</param>
public sealed record FreeFields(string Json)
{
    /// <summary>A mapping without fields.</summary>
    public static FreeFields None { get; } = new("{}");
}
