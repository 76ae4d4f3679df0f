using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Linformer.Coordinator.Storage;

/// <summary>How states and views are written as JSON: by property names, enums as numbers, NaN and infinity as names.</summary>
internal static class StateJson
{
    /// <summary>The one set of options, since each keeps what it has learnt of the types.</summary>
    public static readonly JsonSerializerOptions Options = new()
    {
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        DefaultIgnoreCondition = JsonIgnoreCondition.Never,
        IgnoreReadOnlyProperties = true,
    };
}
