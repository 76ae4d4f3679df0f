using System.Collections.Immutable;

namespace Linformer.Coordinator.Rest;

/// <summary>What the body of a call is.</summary>
internal enum RestBody
{
    /// <summary>Nothing; the fields of the message come from the path and the query.</summary>
    None,

    /// <summary>A JSON object of the message's fields, which may be left out where none is needed.</summary>
    Fields,

    /// <summary>A job file, in YAML or JSON; further fields come from the query.</summary>
    JobFile,
}

/// <summary>What is made of the answer.</summary>
internal enum RestAnswer
{
    /// <summary>The message as JSON.</summary>
    Json,

    /// <summary>The job of a submission: 201 with its address, or 200 where there is none or none is new.</summary>
    Submission,

    /// <summary>Log lines as text.</summary>
    LogText,

    /// <summary>Metric points as CSV.</summary>
    MetricsCsv,

    /// <summary>Files as a tar archive.</summary>
    Tar,
}

/// <summary>A method of gRPC as HTTP has it.</summary>
/// <param name="Verb">Such as GET.</param>
/// <param name="Path">Below <c>/api/v1/</c>; a part in braces is the field of that name.</param>
/// <param name="Method">Such as <c>Jobs/List</c>.</param>
internal sealed record RestRoute(string Verb, string Path, string Method)
{
    /// <summary>What all paths begin with.</summary>
    public const string Root = "/api/v1/";

    /// <summary>What the body is.</summary>
    public RestBody Body { get; init; }

    /// <summary>What is made of the answer.</summary>
    public RestAnswer Answer { get; init; }

    /// <summary>Parameters of the query whose names are not those of their fields: the parameter, then the field in camelCase.</summary>
    public ImmutableDictionary<string, string> Renamed { get; init; } = ImmutableDictionary<string, string>.Empty;

    /// <summary>Fields, in camelCase, that are not for callers over HTTP.</summary>
    public ImmutableHashSet<string> Hidden { get; init; } = [];

    /// <summary>The whole pattern.</summary>
    public string Pattern => Root + Path;

    /// <summary>The names in braces.</summary>
    public IEnumerable<string> PathNames => Path.Split('/').Where(part => part.StartsWith('{')).Select(part => part.Trim('{', '}'));

    /// <summary>The same with another name for a parameter of the query.</summary>
    /// <param name="parameter">The parameter.</param>
    /// <param name="field">The field.</param>
    public RestRoute Calls(string parameter, string field) => this with { Renamed = Renamed.Add(parameter, field) };
}
