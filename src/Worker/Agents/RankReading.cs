using Linformer.Worker.RankProtocol;
using V1 = Linformer.Protocol.V1;

namespace Linformer.Worker.Agents;

/// <summary>A rank process that lives, for the measurements of its agent.</summary>
/// <param name="JobId">Its job.</param>
/// <param name="Rank">Its rank; -1 before its first generation.</param>
/// <param name="Phase">How far it is.</param>
/// <param name="Sample">What it has measured last; null before the first.</param>
internal sealed record RankReading(string JobId, int Rank, V1.MemberPhase Phase, RankSampleMessage? Sample);
